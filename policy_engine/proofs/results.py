"""What came out of a proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from policy_engine.errors import Span
from policy_engine.proofs.confirming import Counterexample

Status = Literal["proved", "refuted", "undecided"]
PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"


@dataclass(frozen=True)
class Failure:
    """Why something is not proved: what is the case, with the workload that shows it where there is one.

    `undecided`: neither proved nor refuted, and so a failure as well.
    """

    what: str
    counterexample: Counterexample | None = None
    undecided: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class Result:
    """What came out for one property; `checked` says how many questions that took, in words."""

    id: str
    title: str
    failures: tuple[Failure, ...]
    checked: str
    seconds: float = 0.0
    span: Span | None = None
    layer: str | None = None
    reason: str = ""

    @property
    def status(self) -> Status:
        if not self.failures:
            return "proved"
        return "undecided" if all(each.undecided for each in self.failures) else "refuted"


@dataclass(frozen=True)
class Check:
    """Something that can be proved by its name."""

    id: str
    title: str
    run: Callable[[], Result]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return `count` with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def failed(failures: Sequence[Failure | None]) -> tuple[Failure, ...]:
    """Return the failures that there are."""
    return tuple(each for each in failures if each is not None)
