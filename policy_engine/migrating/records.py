"""What a ledger holds of a migration: reports of evaluations, steps of rollouts, other workloads of the namespace.

Nothing of an entry's body is believed that does not have the form which is written; what is malformed is told, and
shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.forms import EvaluationBody, RolloutBody, read_body
from policy_engine.migrating.neighbours import OtherWorkload, others
from policy_engine.rollout.on_record import Standing, standings_by
from policy_engine.waivers.on_record import record_of

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import StoredEntry


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
    #: Where the rollout of each task stands, by name.
    standings: Mapping[str, Standing] = {}
    malformed: tuple[Malformed, ...] = ()
    #: Workloads of the namespace with tasks that this migration may be applied to, by what is on record of them.
    others: tuple[OtherWorkload, ...] = ()

    def standing(self, task: str) -> Standing:
        """Return where the rollout of a task stands, as `policy rollout` reads it."""
        return self.standings.get(task, Standing())

    def last_of(self, standing: Standing) -> Rollout | None:
        """Return the last decision that counts, where it can be read."""
        index = standing.last["index"] if standing.last is not None else None
        return next((each for each in self.rollouts if each.index == index), None)

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

    taken_back = {name: record.index for name, record in revoked_names(ledger).items()}
    malformed: list[Malformed] = []
    with open_snapshot(ledger, as_of=as_of) as snapshot:
        revoked = {name: index for name, index in taken_back.items() if index < snapshot.size}
        evaluations = [
            Evaluation(entry.index, _day(entry), body, _revoked(entry, body, revoked))
            for entry, body in _bodies(
                snapshot.entries([EntryType.EVALUATION_REPORT]),
                EntryType.EVALUATION_REPORT,
                EvaluationBody,
                identity,
                malformed,
            )
        ]
        steps = list(snapshot.entries([EntryType.ROLLOUT_DECIDED], newest=False))
        stands = standings_by([record_of(entry, EntryType.ROLLOUT_DECIDED) for entry in steps], identity)
        rollouts = [
            Rollout(entry.index, _day(entry), body)
            for entry, body in _bodies(steps[::-1], EntryType.ROLLOUT_DECIDED, RolloutBody, identity, malformed)
        ]
        malformed += _unread(stands, malformed)
        found = others(snapshot, identity)
        return Records(snapshot.size, tuple(evaluations), tuple(rollouts), stands, tuple(malformed), found)


def _unread(stands: Mapping[str, Standing], malformed: list[Malformed]) -> list[Malformed]:
    """Return the steps of rollouts that have their form, and cannot be read from where the rollout stood."""
    known = {each.index for each in malformed}
    left = sorted({index for standing in stands.values() for index in standing.unread if index not in known})
    problem = "it does not go on from where the rollout stood"
    return [Malformed(index, EntryType.ROLLOUT_DECIDED.value, problem) for index in left]


def _bodies(
    entries: Iterable[StoredEntry], kind: EntryType, form: Any, identity: str, malformed: list[Malformed]
) -> Iterator[tuple[StoredEntry, Any]]:
    """Yield the entries on this workload in their order, each with its body read."""
    for entry in entries:
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
