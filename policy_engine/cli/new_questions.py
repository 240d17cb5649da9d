"""What `policy new` asks: the fields that a workload must have, and the five questions (SYS-02), as data.

Each question is an option too, and an answer means the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from policy_engine.errors import did_you_mean
from policy_engine.loading.wording import listed, quoted
from policy_engine.model.fields import LARGEST_COUNT, NAME_PATTERN, Mlops, Stage, TaskKind

DONT_KNOW = frozenset({"", "?", "unknown"})


class AnswerError(ValueError):
    """An answer that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask; `path` is where the answer stands in the file, below `spec.tasks[0]` after `task`."""

    option: str
    path: str
    text: str
    read: Callable[[str], Any]
    required: bool = False

    @property
    def parameter(self) -> str:
        """The name under which click hands the option over."""
        return self.option.removeprefix("--").replace("-", "_")

    def answer(self, given: str) -> Any:
        """Return what `given` stands for; None where the user does not know.

        Raises:
            AnswerError: it stands for nothing, or nothing was given where something must be.
        """
        given = given.strip()
        if self.required and given in ("", "?"):
            raise AnswerError("an answer is needed here")
        if not self.required and given.lower() in DONT_KNOW:
            return None
        return self.read(given)


def _name(given: str) -> str:
    if not re.fullmatch(NAME_PATTERN, given) or len(given) > 253:
        raise AnswerError(f"{quoted(given)} cannot be a name: use lower-case letters, digits, `-` and `.`")
    return given


def _line(given: str) -> str:
    if not given.isprintable():
        raise AnswerError(f"{quoted(given)} holds characters that cannot be printed")
    return given


def _one_of(*words: str) -> Callable[[str], str]:
    def read(given: str) -> str:
        if given not in words:
            near = did_you_mean(given, words)
            raise AnswerError(f"{quoted(given)} is not one of {listed(words)}" + (f"; {near}" if near else ""))
        return given

    return read


def _yes_or_no(given: str) -> bool:
    if given.lower() not in ("yes", "y", "no", "n"):
        raise AnswerError(f"{quoted(given)} is neither `yes` nor `no`")
    return given.lower().startswith("y")


def _amount(given: str) -> int | float:
    plain = given.replace(",", "").removeprefix("$")
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", plain, re.ASCII):
        raise AnswerError(f"{quoted(given)} is no amount of USD; write it as `1500`")
    return float(plain) if "." in plain else min(int(plain), LARGEST_COUNT)


def _milliseconds(given: str) -> int:
    plain = given.removesuffix("ms").strip()
    if not re.fullmatch(r"[0-9]{1,8}", plain, re.ASCII) or not 1 <= int(plain) <= 86_400_000:
        raise AnswerError(f"{quoted(given)} is no number of milliseconds from 1 to 86,400,000")
    return int(plain)


STAGES: tuple[str, ...] = get_args(Stage)
KINDS: tuple[str, ...] = get_args(TaskKind)
MLOPS: tuple[str, ...] = get_args(Mlops)

QUESTIONS = (
    Question("--name", "metadata.name", "Name of the workload", _name, required=True),
    Question("--owner", "metadata.owner", "Who owns it (an address)", _line, required=True),
    Question("--stage", "stage", f"Stage ({', '.join(STAGES)})", _one_of(*STAGES), required=True),
    Question("--task-name", "task.name", "Name of its task", _line, required=True),
    Question("--task-kind", "task.kind", f"Kind of task ({', '.join(KINDS)})", _one_of(*KINDS), required=True),
    Question("--monthly-budget-usd", "budget.monthly_usd", "Monthly budget in USD", _amount),
    Question("--data-may-leave", "data.may_leave_network", "May the data leave your network (yes, no)", _yes_or_no),
    Question("--mlops", "team.mlops", f"MLOps expertise of the team ({', '.join(MLOPS)})", _one_of(*MLOPS)),
    Question("--specialised", "task.specialised_domain", "Is the domain very specialised (yes, no)", _yes_or_no),
    Question("--latency-ms", "task.latency_p95_ms", "Latency that 95 percent must meet, in ms", _milliseconds),
)
