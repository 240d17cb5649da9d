"""What a ledger holds of a migration: reports of evaluations, steps of rollouts, other workloads of the namespace.

Nothing of an entry's body is believed that does not have the form which is written; what is malformed is told, and
shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.forms import EvaluationBody, RolloutBody, read_body
from policy_engine.migrating.neighbours import OtherWorkload, others

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import StoredEntry
    from policy_audit.snapshot import Snapshot


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

    def garbled_after(self, kind: EntryType, index: int) -> Malformed | None:
        """Return an entry of this type that came later and cannot be read: nobody knows what it says."""
        return next((each for each in self.malformed if each.type == kind.value and each.index > index), None)


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


def _revoked(entry: StoredEntry, body: EvaluationBody, revoked: Mapping[str, int]) -> int | None:
    from policy_engine.vouching.entries import names_of

    names = {*names_of(entry.raw), body.sha256}
    return min((revoked[name] for name in names if name in revoked), default=None)


def _day(entry: StoredEntry) -> date:
    return datetime.fromisoformat(entry.recorded_at).date()
