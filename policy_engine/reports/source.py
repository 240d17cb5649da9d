"""A snapshot read as a ledger is, by whatever derives an answer from entries: registers, activations, replays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy_audit.commitment import Disclosure
    from policy_audit.entry import EntryType
    from policy_audit.records import StoredEntry
    from policy_audit.snapshot import Snapshot


class SnapshotSource:
    """What of a ledger's reading calls a snapshot can answer, in its one transaction and up to its checkpoint."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def list_entries(self, *, type: EntryType | str, newest_first: bool) -> Iterator[StoredEntry]:  # noqa: A002
        return self._snapshot.entries([type], newest=newest_first)

    def walk(self) -> Iterator[StoredEntry]:
        return self._snapshot.entries(newest=False)

    def entry(self, index: int) -> StoredEntry:
        return self._snapshot.entry(index)

    def blob(self, digest: str) -> bytes:
        return self._snapshot.blob(digest)

    def disclosures(self, index: int) -> Mapping[str, Disclosure]:
        return self._snapshot.disclosures(index)

    def checkpoint(self) -> str:
        return self._snapshot.note
