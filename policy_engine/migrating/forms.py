"""The bodies of entries on evaluations and rollouts: their form, and what must agree in them.

Entries hold no floats: numbers that are not whole stand as decimal text. Nothing is believed that has another form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct
from policy_audit.canonical import canonical_bytes

#: What msgspec says of a form, and where.
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r"at `\$\.?([^`]*)`")

Verdict = Literal["better", "equivalent", "worse", "inconclusive", "too_few"]
StageDecision = Literal["advance", "hold", "roll_back", "complete"]


class Value(Struct, frozen=True):
    """What a model reached: a share of one, as the metrics of tasks are."""

    model: str
    value: float


class Difference(Struct, frozen=True):
    """The candidate's value less the current one's, with the ends of its interval."""

    value: float
    low: float
    high: float


class Compared(Value, frozen=True, kw_only=True):
    """A candidate, and how it came out against the current model."""

    difference: Difference
    verdict: Verdict


class ComparedTask(Struct, frozen=True):
    """One task of a report; one without a name is of a workload that has no other."""

    name: str | None
    kind: str | None
    metric: str
    examples: int
    current: Value
    candidates: list[Compared]


class Golden(Struct, frozen=True):
    """The golden dataset that a report rests on."""

    sha256: str
    examples: int


class Report(Struct, frozen=True):
    """What is read of a report; answers, resamples and the like are for whoever compares again."""

    golden: Golden
    margin: float
    confidence: float
    tasks: list[ComparedTask]


class EvaluationBody(Struct, frozen=True):
    """The body of an entry `evaluation-report`."""

    workload: str
    evidence: list[str]
    sha256: str
    valid_until: date | None
    report: Report


class StageOf(Struct, frozen=True):
    """A stage of a rollout: percent of the traffic."""

    name: str
    percent: float


class Reason(Struct, frozen=True):
    """A rule of the rollout, and what it says."""

    rule: str
    says: str


class RolloutBody(Struct, frozen=True):
    """What is shown of the body of an entry `rollout-decided`; what it comes to is for `rollout.on_record`."""

    workload: str
    task: str
    stage: StageOf
    decision: StageDecision
    next: StageOf | None
    reasons: list[Reason]


def read_body(body: Mapping[str, Any], form: Any) -> Any:
    """Return a body in its form, with numbers for decimal text.

    Raises:
        ValueError: it has another form, or numbers that nothing measures; the text says where.
    """
    try:
        found = msgspec.convert(body, form, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_told(str(error))) from None
    if isinstance(found, RolloutBody):
        _check_rollout(found)
    else:
        if sha256(canonical_bytes(body["report"])).hexdigest() != found.sha256:
            raise ValueError("it names another report than it holds")
        _check_report(found.report)
    return found


def _told(text: str) -> str:
    """Say where a body has another form, without the words of the language that reads it."""
    missing, place = _MISSING.search(text), _PLACE.search(text)
    where = place[1] if place is not None else ""
    if missing is not None:
        return f"`{f'{where}.{missing[1]}'.lstrip('.')}` is missing"
    return f"`{where or 'body'}` is not what is written there"


def _check_rollout(found: RolloutBody) -> None:
    stage, after = found.stage, found.next
    if not all(0 <= each.percent <= 100 for each in (stage, *((after,) if after is not None else ()))):
        raise ValueError("the percent of a stage is not from 0 to 100")
    if found.decision == "complete" and (after is not None or stage.percent != 100):
        raise ValueError("it is said to be complete, and not all of the traffic has moved")
    if found.decision == "advance" and (after is None or after.percent <= stage.percent):
        raise ValueError("it is said to advance, and no larger stage comes next")


def _check_report(found: Report) -> None:
    if not (0 <= found.margin <= 1 and 0 < found.confidence < 1):
        raise ValueError("its margin or confidence is none")
    for task in found.tasks:
        values = [task.current.value, *(each.value for each in task.candidates)]
        if task.examples < 0 or not all(0 <= value <= 1 for value in values):
            raise ValueError(f"a value of the task `{task.name}` is not from 0 to 1")
        for each in task.candidates:
            ends = (each.difference.low, each.difference.value, each.difference.high)
            if not all(-1 <= end <= 1 for end in ends) or ends[0] > ends[2]:
                raise ValueError(f"a difference of the task `{task.name}`, or its interval, is none")
            if not _agrees(each, found.margin):
                raise ValueError(f"the verdict on `{each.model}` is not what its interval says")


def _agrees(each: Compared, margin: float) -> bool:
    """Whether a verdict that says something is one that its interval allows; the others claim nothing."""
    ends = each.difference
    sides = {"better": ends.low >= 0, "equivalent": ends.low >= -margin, "worse": ends.high <= 0}
    return sides.get(each.verdict, True)
