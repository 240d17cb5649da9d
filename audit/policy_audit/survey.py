"""The survey of a ledger before a disposal: what of each entry is past its period, and what a retained one still names.

It listens to `History`, so that all it says is of entries that are proven before anything is destroyed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

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

    INVARIANT: a document is due only where no entry that is retained names it (`retained`).
    """

    def __init__(self, retention: Retention, regulations_of: RegulationsOf, now: datetime, before: str | None) -> None:
        self.retention, self.regulations_of, self.now, self.before = retention, regulations_of, now, before
        self.due: dict[int, Candidate] = {}
        self.covered: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.retained: set[str] = set()
        self.next_due: datetime | None = None
        self.entries = 0
        self._candidates: dict[int, Candidate] = {}
        self._latest: dict[tuple[str | None, str | None], int] = {}
        self._applied: list[tuple[str, int]] | None = None

    def on_entry(self, index: int, entry: Entry) -> None:
        """Take an entry in: retained at once where it is young, a candidate otherwise."""
        self.entries += 1
        matter = matter_of(index, entry)
        self._supersede(index, entry, matter)
        end = add_months(_moment(entry.recorded_at), self.retention.general.months)
        if end > self.now or (self.before is not None and entry.recorded_at >= self.before):
            self.retained.update(entry.blobs.values())
            self._cover(Cover(self.retention.general.id if end > self.now else "recorded later", end))
            return
        self._candidates[index] = Candidate(
            matter,
            tuple(sorted(entry.commitments)),
            tuple(sorted(set(entry.blobs.values()))),
            entry.blobs.get(WORKLOAD) if entry.type == EntryType.DECISION else None,
            entry.view.get("valid_until"),
        )

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

    def apply(self, connection: Connection, vault: Vault, active: Sequence[Hold]) -> None:
        """Take out of `due` what an active hold covers; nothing to do where the holds are those of last time."""
        identity = [(hold.id, hold.index) for hold in active]
        if identity == self._applied:
            return
        self._applied = identity
        for hold in active:
            persons = held_entries(connection, vault, hold)
            covered = [i for i, c in self.due.items() if i == hold.index or covering(hold, c.matter, persons)]
            for index in covered:
                self.retained.update(self.due.pop(index).documents)
            self.held[hold.id] += len(covered)

    def documents(self) -> list[str]:
        """Return the documents that due entries alone name."""
        return sorted({digest for each in self.due.values() for digest in each.documents} - self.retained)

    def _supersede(self, index: int, entry: Entry, matter: Matter) -> None:
        """Note that an earlier decision on the same workload, without an end of its own, is not in effect any more."""
        if entry.type != EntryType.DECISION:
            return
        previous = self._latest.get((matter.namespace, matter.workload))
        candidate = self._candidates.get(previous) if previous is not None else None
        if previous is not None and candidate is not None and candidate.ended is None:
            self._candidates[previous] = Candidate(
                candidate.matter, candidate.names, candidate.documents, candidate.workload, entry.recorded_at
            )
        self._latest[matter.namespace, matter.workload] = index

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
        if matter.type != EntryType.DECISION:
            if matter.type == EntryType.POLICY_ACTIVATION:
                # each is judged by the policy that was in force before it, whenever it is read: the chain is kept whole
                return Cover("in force", None)
            # what an entry of another type is about is not known to the ledger
            return self.retention.cover(None, start)
        if candidate.ended is None and index in current:
            return Cover("in effect", None)
        if candidate.ended is not None:
            start = max(start, _moment(candidate.ended))
        digest = candidate.workload
        if digest is not None and digest not in known:
            known[digest] = self._regulations(connection, digest)
        return self.retention.cover(known[digest] if digest is not None else None, start)

    def _regulations(self, connection: Connection, digest: str) -> Sequence[str] | None:
        from hashlib import sha256

        content = connection.execute(select(BLOB.c.content).where(BLOB.c.digest == digest)).scalar_one_or_none()
        if not isinstance(content, bytes) or f"sha256:{sha256(content).hexdigest()}" != digest:
            return None
        return self.regulations_of(content)

    def _cover(self, cover: Cover) -> None:
        self.covered[cover.by] += 1
        if cover.until is not None and cover.until > self.now:
            self.next_due = min(cover.until, self.next_due or _LATEST)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
