"""What a ledger holds of a migration: reports of evaluations, steps of rollouts, other workloads of the namespace.

Nothing of an entry's body is believed that does not have the form which is written; what is malformed is told, and
shows nothing. Entries hold no floats: numbers that are not whole stand as decimal text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.neighbours import OtherWorkload, others

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import StoredEntry
    from policy_audit.snapshot import Snapshot

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
    """One task of a report."""

    name: str
    kind: str
    metric: str
    examples: int
    current: Value
    candidates: list[Compared]


class Golden(Struct, frozen=True):
    """The golden dataset that a report rests on."""

    sha256: str
    examples: int


class Report(Struct, frozen=True):
    """What is read of a report; margin, resamples and the like are for whoever replays it."""

    golden: Golden
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
    """The body of an entry `rollout-decided`; `task` None is the whole workload."""

    workload: str
    task: str | None
    stage: StageOf
    decision: StageDecision
    next: StageOf | None
    reasons: list[Reason]


class Evaluation(Struct, frozen=True):
    """A report on record; `revoked` is the entry that took it back, None where none did."""

    index: int
    day: date
    body: EvaluationBody
    revoked: int | None

    def problem(self, day: date) -> str | None:
        """Return why it shows nothing on `day`; None where it does."""
        if self.revoked is not None:
            return f"it was revoked in the entry {self.revoked}"
        if self.body.valid_until is not None and self.body.valid_until < day:
            return f"it ended on {self.body.valid_until}"
        return None


class Rollout(Struct, frozen=True):
    """A decision on a rollout that is on record."""

    index: int
    day: date
    body: RolloutBody


class Malformed(Struct, frozen=True):
    """An entry that has not the form of its type, and why."""

    index: int
    type: str
    problem: str


class Records(Struct, frozen=True):
    """What is on record of one workload, the newest first; `size` None where no ledger was looked at."""

    size: int | None = None
    evaluations: tuple[Evaluation, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    #: Workloads of the namespace with tasks that this migration may be applied to, by what is on record of them.
    others: tuple[OtherWorkload, ...] = ()


def read_records(ledger: Ledger, identity: str, as_of: datetime | None) -> Records:
    """Return what `ledger` holds of the workload `identity`, bound to one checkpoint.

    Raises:
        LedgerError: it cannot be read.
        VerificationError: an entry is not what was recorded.
    """
    from policy_audit.snapshot import open_snapshot

    from policy_engine.vouching.revoked import revoked_names

    revoked = {name: record.index for name, record in revoked_names(ledger).items()}
    malformed: list[Malformed] = []
    with open_snapshot(ledger, as_of=as_of) as snapshot:
        evaluations = [
            Evaluation(entry.index, _day(entry), body, _revoked(entry, body, revoked))
            for entry, body in _bodies(snapshot, EntryType.EVALUATION_REPORT, EvaluationBody, identity, malformed)
        ]
        rollouts = [
            Rollout(entry.index, _day(entry), body)
            for entry, body in _bodies(snapshot, EntryType.ROLLOUT_DECIDED, RolloutBody, identity, malformed)
        ]
        found = others(snapshot, identity)
        return Records(snapshot.size, tuple(evaluations), tuple(rollouts), tuple(malformed), found)


def _bodies(
    snapshot: Snapshot, kind: EntryType, form: Any, identity: str, malformed: list[Malformed]
) -> Iterator[tuple[StoredEntry, Any]]:
    """Yield the entries on this workload, the newest first, each with its body read."""
    for entry in snapshot.entries([kind]):
        body = entry.document["body"]
        workload = body.get("workload")
        if isinstance(workload, str) and workload != identity:
            continue
        try:
            yield entry, read_body(body, form)
        except ValueError as error:
            malformed.append(Malformed(entry.index, kind.value, str(error)))


def read_body(body: Mapping[str, Any], form: Any) -> Any:
    """Return a body in its form, with numbers for decimal text.

    Raises:
        ValueError: it has another form, or numbers that nothing measures; the text says where.
    """
    found = msgspec.convert(body, form, strict=False)  # a ValidationError is a ValueError
    _check(found)
    return found


def _check(found: Any) -> None:
    if isinstance(found, RolloutBody):
        stages = [found.stage, *([found.next] if found.next is not None else [])]
        if not all(0 <= each.percent <= 100 for each in stages):
            raise ValueError("the percent of a stage is not from 0 to 100")
        if found.decision == "complete" and found.next is not None:
            raise ValueError("a rollout that is complete has a next stage")
        return
    for task in found.report.tasks:
        values = [task.current.value, *(each.value for each in task.candidates)]
        if task.examples < 0 or not all(0 <= value <= 1 for value in values):
            raise ValueError(f"a value of the task `{task.name}` is not from 0 to 1")
        for each in task.candidates:
            ends = (each.difference.low, each.difference.value, each.difference.high)
            if not all(map(math.isfinite, ends)) or not ends[0] <= ends[1] <= ends[2]:
                raise ValueError(f"a difference of the task `{task.name}` does not lie inside its interval")


def _revoked(entry: StoredEntry, body: EvaluationBody, revoked: Mapping[str, int]) -> int | None:
    names = (entry.leaf_hash, body.sha256)
    return next((revoked[name] for name in names if name in revoked), None)


def _day(entry: StoredEntry) -> date:
    return datetime.fromisoformat(entry.recorded_at).date()
