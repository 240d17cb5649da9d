"""The bodies of entries on evaluations and rollouts: their form, and what must agree in them.

Entries hold no floats: numbers that are not whole stand as decimal text. Nothing is believed that has another form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

import msgspec
from msgspec import Struct

from policy_engine.vouching.evaluated import read_report
from policy_engine.vouching.evaluation import Evaluation

#: What msgspec says of a form, and where.
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r"at `\$\.?([^`]*)`")

StageDecision = Literal["advance", "hold", "roll_back", "complete"]


class EvaluationBody(Struct, frozen=True):
    """The body of an entry `evaluation-report`, as a decision reads it."""

    workload: str
    evidence: list[str]
    sha256: str
    valid_until: date | None
    report: Evaluation


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
    if form is EvaluationBody:
        return _evaluation(body)
    try:
        found = msgspec.convert(body, form, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_told(str(error))) from None
    _check_rollout(found)
    return found


def _evaluation(body: Mapping[str, Any]) -> EvaluationBody:
    workload = str(body.get("workload"))
    report, ends = read_report(body, workload)
    return EvaluationBody(workload, list(body["evidence"]), body["sha256"], ends, report)


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
