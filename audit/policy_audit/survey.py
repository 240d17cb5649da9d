"""The survey of a ledger before a disposal: what of each entry is past its period, and what a retained one still names.

It listens to `History`, so that all it says is of entries that are proven before anything is destroyed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from policy_audit.collected import span_of_body
from policy_audit.entry import Entry, EntryType
from policy_audit.holding import covering, held_entries
from policy_audit.holds import Hold, Matter, matter_of
from policy_audit.names import BLOB
from policy_audit.retention import Cover, Retention, add_months
from policy_audit.vault import Vault

RegulationsOf = Callable[[bytes], Sequence[str] | None]
WORKLOAD = "workload"
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry older than the period that covers every entry; `ended` is when a decision last was in effect."""

    matter: Matter
    names: tuple[str, ...]
    documents: tuple[str, ...]
    workload: str | None
    ended: str | None


class Survey:
    """What is due. `due` maps indexes to candidates that neither a period nor a hold covers.

    `covered` counts by what covers them all other entries but those that holds alone keep: `kept` counts these, and
    `held` those of each hold, so that one under two holds is in both. `unknown` counts the decisions under each
    regulation that no period is for.

    INVARIANT: a document is due only where no entry that is retained names it (`retained`).
    """

    def __init__(self, retention: Retention, regulations_of: RegulationsOf, now: datetime, before: str | None) -> None:
        self.retention, self.regulations_of, self.now, self.before = retention, regulations_of, now, before
        self.due: dict[int, Candidate] = {}
        self.covered: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.kept = 0
        self.unknown: Counter[str] = Counter()
        self.retained: set[str] = set()
        self.next_due: datetime | None = None
        self.entries = 0
        self._candidates: dict[int, Candidate] = {}
        self._collected: dict[int, datetime] = {}
        # Young decisions, whose period has not ended whatever they are about: those in effect, by index, and how many
        # of the others there are by workload document, with the first start of their periods.
        self._open: dict[int, tuple[datetime, str | None]] = {}
        self._young: dict[str | None, tuple[int, datetime]] = {}
        self._latest: dict[tuple[str | None, str | None], int] = {}
        self._applied: list[tuple[str, int]] | None = None

    def on_entry(self, index: int, entry: Entry) -> None:
        """Take an entry in: retained at once where it is young, a candidate otherwise."""
        self.entries += 1
        matter = matter_of(index, entry)
        self._supersede(index, entry, matter)
        if entry.type == EntryType.COLLECTION:
            self._collect(index, entry)
        end = add_months(_moment(entry.recorded_at), self.retention.general.months)
        workload = entry.blobs.get(WORKLOAD) if entry.type == EntryType.DECISION else None
        if end > self.now:
            self.retained.update(entry.blobs.values())
            self._keep(matter, entry.view.get("valid_until"), workload)
            return
        if self.before is not None and entry.recorded_at >= self.before:
            self.retained.update(entry.blobs.values())
            self._cover(Cover("recorded later", end))
            return
        self._candidates[index] = Candidate(
            matter,
            tuple(sorted(entry.commitments)),
            tuple(sorted(set(entry.blobs.values()))),
            workload,
            entry.view.get("valid_until"),
        )

    def _collect(self, index: int, entry: Entry) -> None:
        """Note when old entries were collected: their own times are a runner's, and shorten no period."""
        span = span_of_body(index, entry.body)
        if span is not None:
            moment = _moment(entry.recorded_at)
            self._collected |= {each: moment for each in self._candidates if span.first <= each <= span.last}

    def resolve(self, connection: Connection) -> None:
        """Tell the candidates that are due from those that a longer period covers, or that are in effect."""
        current = set(self._latest.values())
        known: dict[str, Sequence[str] | None] = {}
        for index, candidate in sorted(self._candidates.items()):
            cover = self._cover_of(connection, index, candidate, current, known)
            if cover.until is None or cover.until > self.now:
                self.retained.update(candidate.documents)
                self._cover(cover)
            else:
                self.due[index] = candidate
        self._candidates.clear()
        for _, workload in self._open.values():
            self._applying(connection, workload, known, 1)  # notes what no period is for
            self._cover(Cover("in effect", None))
        for digest, (count, start) in self._young.items():
            self._cover(self.retention.cover(self._applying(connection, digest, known, count), start), count)

    def apply(self, connection: Connection, vault: Vault, active: Sequence[Hold]) -> None:
        """Take out of `due` what an active hold covers; nothing to do where the holds are those of last time."""
        identity = [(hold.id, hold.index) for hold in active]
        if identity == self._applied:
            return
        self._applied = identity
        kept: set[int] = set()
        for hold in active:
            persons = held_entries(connection, vault, hold)
            covered = [i for i, c in self.due.items() if i == hold.index or covering(hold, c.matter, persons)]
            self.held[hold.id] += len(covered)
            kept.update(covered)
        for index in kept:
            self.retained.update(self.due.pop(index).documents)
        self.kept += len(kept)

    def documents(self) -> list[str]:
        """Return the documents that due entries alone name."""
        return sorted({digest for each in self.due.values() for digest in each.documents} - self.retained)

    def _supersede(self, index: int, entry: Entry, matter: Matter) -> None:
        """Note that an earlier decision on the same workload, without an end of its own, is not in effect any more."""
        if entry.type != EntryType.DECISION:
            return
        previous = self._latest.get((matter.namespace, matter.workload))
        if previous is not None and previous in self._open:
            start, workload = self._open.pop(previous)
            self._settle(max(start, _moment(entry.recorded_at)), workload)
        candidate = self._candidates.get(previous) if previous is not None else None
        if previous is not None and candidate is not None and candidate.ended is None:
            self._candidates[previous] = Candidate(
                candidate.matter, candidate.names, candidate.documents, candidate.workload, entry.recorded_at
            )
        self._latest[matter.namespace, matter.workload] = index

    def _keep(self, matter: Matter, ended: str | None, workload: str | None) -> None:
        """Take in a young entry: which period it has is told once all of them are read."""
        start = _moment(matter.recorded_at)
        if matter.type != EntryType.DECISION:
            self._cover(self._cover_of_other(matter, start))
        elif ended is None:
            self._open[matter.index] = start, workload
        else:
            self._settle(max(start, _moment(ended)), workload)

    def _settle(self, start: datetime, workload: str | None) -> None:
        count, first = self._young.get(workload, (0, start))
        self._young[workload] = count + 1, min(first, start)

    def _cover_of(
        self,
        connection: Connection,
        index: int,
        candidate: Candidate,
        current: set[int],
        known: dict[str, Sequence[str] | None],
    ) -> Cover:
        matter = candidate.matter
        start = _moment(matter.recorded_at)
        start = max(start, self._collected.get(index, start))
        if matter.type != EntryType.DECISION:
            return self._cover_of_other(matter, start)
        regulations = self._applying(connection, candidate.workload, known, 1)
        if candidate.ended is None and index in current:
            return Cover("in effect", None)
        if candidate.ended is not None:
            start = max(start, _moment(candidate.ended))
        return self.retention.cover(regulations, start)

    def _cover_of_other(self, matter: Matter, start: datetime) -> Cover:
        if matter.type == EntryType.POLICY_ACTIVATION:
            # each is judged by the policy that was in force before it, whenever it is read: the chain is kept whole
            return Cover("in force", None)
        # what an entry of another type is about is not known to the ledger
        return self.retention.cover(None, start)

    def _applying(
        self, connection: Connection, digest: str | None, known: dict[str, Sequence[str] | None], count: int
    ) -> Sequence[str] | None:
        """Return the regulations of a workload that so many decisions name; None where they are not known."""
        if digest is None:
            return None
        if digest not in known:
            known[digest] = self._regulations(connection, digest)
        found = known[digest]
        for name in self.retention.unknown(found or ()):
            self.unknown[name] += count
        return found

    def _regulations(self, connection: Connection, digest: str) -> Sequence[str] | None:
        from hashlib import sha256

        content = connection.execute(select(BLOB.c.content).where(BLOB.c.digest == digest)).scalar_one_or_none()
        if not isinstance(content, bytes) or f"sha256:{sha256(content).hexdigest()}" != digest:
            return None
        return self.regulations_of(content)

    def _cover(self, cover: Cover, count: int = 1) -> None:
        self.covered[cover.by] += count
        if cover.until is not None and cover.until > self.now:
            self.next_due = min(cover.until, self.next_due or _LATEST)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
