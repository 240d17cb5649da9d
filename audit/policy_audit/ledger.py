"""The ledger: append, read, verify. A decision is handed out only after `append` has returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from policy_audit.appending import Recorded, extend, lock_head, read_head, store_blobs
from policy_audit.commitment import Disclosure
from policy_audit.database import Database, locate
from policy_audit.entry import Draft, EntryType, Prepared, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.keys import Signer
from policy_audit.opening import Opened, open_file, open_memory, open_server
from policy_audit.records import DecisionFilter, StoredDecision, StoredEntry
from policy_audit.view import instant
from policy_audit.waiting import SharedCommits

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from policy_audit.report import VerificationReport

__all__ = [
    "DecisionFilter",
    "Draft",
    "EntryType",
    "Ledger",
    "Recorded",
    "StoredDecision",
    "StoredEntry",
    "open_ledger",
]

_MAX_KNOWN = 10_000


def open_ledger(
    url: str,
    *,
    key_path: Path | str | None = None,
    read_only: bool = False,
    clock: Callable[[], datetime] | None = None,
) -> Ledger:
    """Open the ledger at `url`; a SQLite file that is not there yet is made, with its signing key.

    The key is at `key_path`, by default beside the SQLite file as `<path>.key`. `read_only` reads and verifies
    without a key. `clock` gives the time of recording, with a time zone.

    Raises:
        LedgerError: it cannot be opened, is not a ledger, or is not at this program's schema.
        SigningKeyError: the key is missing, exposed, or without its ledger.
    """
    location = locate(url)
    key = Path(key_path).expanduser().absolute() if key_path is not None else None
    if location.server:
        opened = open_server(location, key, read_only)
    elif location.path is not None:
        beside = location.path.with_name(location.path.name + ".key")
        opened = open_file(location, location.path, key or beside, read_only)
    else:
        opened = open_memory(location)
    return Ledger(opened, read_only=read_only, clock=clock or _now)


class Ledger:
    """An open ledger; safe to share among threads. Close it, or use it in a `with` statement."""

    def __init__(self, opened: Opened, *, read_only: bool, clock: Callable[[], datetime]) -> None:
        self._database: Database = opened.database
        self._signer = opened.signer
        self._read_only = read_only
        self._clock = clock
        self._head_note: str | None = None
        self._known_blobs: set[str] = set()
        self._known_tags: dict[bytes, int] = {}
        self._commits = SharedCommits(self._commit)
        self.created_verifier_key: str | None = opened.signer.verifier_key if opened.created and opened.signer else None
        """Set where opening has just made the key: to be shown once, for verifiers to pin."""

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._database.location}>"

    @property
    def origin(self) -> str | None:
        """The ledger's name, which its key carries; None where it was opened without a key."""
        return self._signer.name if self._signer else None

    @property
    def verifier_key(self) -> str | None:
        """The public text of the signing key; None where the ledger was opened without a key."""
        return self._signer.verifier_key if self._signer else None

    @property
    def is_scratch(self) -> bool:
        """True in memory: nothing outlives the process."""
        return not self._database.location.server and self._database.location.path is None

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def append(self, draft: Draft) -> Recorded:
        """Record one draft; return only once it is durable.

        Raises:
            LedgerError: it was refused; nothing was recorded.
        """
        return self.append_many([draft])[0]

    def append_many(self, drafts: Iterable[Draft]) -> list[Recorded]:
        """Record drafts in this order, all or none, under one checkpoint; return only once they are durable.

        What other threads append meanwhile is committed along with them.

        Raises:
            LedgerError: one was refused; nothing was recorded.
        """
        if self._read_only or self._signer is None:
            raise LedgerError(f"the ledger `{self._database.location}` was opened for reading", code="ledger-read-only")
        try:
            batch = [prepare(draft) for draft in drafts]
        except CanonicalError as error:
            raise LedgerError(
                f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help
            ) from error
        return self._commits.append(batch) if batch else []

    def _commit(self, batch: Sequence[Prepared]) -> list[Recorded]:
        signer = cast("Signer", self._signer)
        with self._database.write() as connection:
            lock_head(connection)
            frontier = read_head(connection, signer, self._head_note)
            blobs = (blob for prepared in batch for blob in prepared.blobs)
            stored = store_blobs(connection, blobs, self._known_blobs)
            moment = instant(self._clock())
            recorded, note, tags = extend(connection, signer, frontier, batch, moment, self._known_tags)
        # Only what is committed is remembered.
        self._head_note = note
        if len(self._known_blobs) + len(stored) > _MAX_KNOWN:
            self._known_blobs = set()
        self._known_blobs |= stored
        if len(self._known_tags) + len(tags) > _MAX_KNOWN:
            self._known_tags = {}
        self._known_tags.update(tags)
        return recorded

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Give one read transaction to the modules of this package that read more than the calls below."""
        return self._database.read()

    def entry(self, index: int) -> StoredEntry:
        """Return one entry, checked against its leaf hash.

        Raises:
            LedgerError: there is none.
            VerificationError: its bytes were changed.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_entry(connection, index)

    def list_entries(
        self,
        *,
        type: EntryType | str | None = None,  # noqa: A002
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> list[StoredEntry]:
        """Return entries of a type, recorded at `since` or later and before `until`."""
        from policy_audit import reading

        kind = str(type) if type is not None else None
        with self._database.read() as connection:
            return reading.read_entries(
                connection, entry_type=kind, since=since, until=until, limit=limit, newest_first=newest_first
            )

    def list_decisions(
        self, wanted: DecisionFilter | None = None, *, limit: int | None = None, newest_first: bool = True
    ) -> list[StoredDecision]:
        """Return the query columns of the decisions that `wanted` selects."""
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_decisions(connection, wanted or DecisionFilter(), limit, newest_first)

    def find_decision(self, identifier: str) -> StoredDecision:
        """Return the decision with this id, or with the only id that begins so (four characters or more).

        Raises:
            LedgerError: there is none (`decision-missing`), or several (`decision-ambiguous`).
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.find_decision(connection, identifier)

    def blob(self, digest: str) -> bytes:
        """Return a document by its digest, checked.

        Raises:
            LedgerError: there is none.
            VerificationError: its bytes were changed.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_blob(connection, digest)

    def personal(self, index: int) -> dict[str, str]:
        """Return the personal values of an entry by name, as stored; those no longer held are absent: see `erased`."""
        return {name: disclosure.value for name, disclosure in self.disclosures(index).items()}

    def disclosures(self, index: int) -> dict[str, Disclosure]:
        """Return the personal values of an entry by name, as stored, each with the salt that opens its commitment.

        `commitment.opens` says whether it does: a value that does not is not the one that was recorded.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_disclosures(connection, index)

    def erased(self) -> set[tuple[int, str]]:
        """Return the personal values that erasures on record name, by entry and name.

        A value that is missing and not among them is a finding: `verify` reports it.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_erased(connection)

    def policy_digests(self, beginning: str = "", *, limit: int) -> list[str]:
        """Return digests of policies that decisions were made under, in order, of those that begin so."""
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_policy_digests(connection, beginning, limit)

    def checkpoint(self) -> str:
        """Return the latest signed checkpoint, which whoever keeps it can hold the ledger to."""
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_checkpoint(connection)

    def receipt(self, index: int) -> str:
        """Return a proof file (C2SP tlog-proof) of the entry, under the first checkpoint that covers it.

        Raises:
            LedgerError: there is no such entry.
            VerificationError: the stored tree does not lead to the checkpoint.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_receipt(connection, index)

    def verify(
        self,
        verifier_keys: Sequence[str] | None = None,
        origin: str | None = None,
        *,
        kept: Sequence[str] = (),
        progress: Callable[[int, int], None] | None = None,
    ) -> VerificationReport:
        """Derive everything again from the entries' bytes, and report each step.

        `verifier_keys` and `origin` are what the verifier pinned; without them the signing key's own are taken,
        never the database's. `kept` are checkpoints that someone kept. `progress` is called with done and total.

        Raises:
            LedgerError: the database cannot be read, or nothing is pinned.
        """
        from policy_audit.fsck import verify_database

        keys = list(verifier_keys or ()) or ([self._signer.verifier_key] if self._signer else [])
        name = origin or (keys[0].partition("+")[0] if keys else None)
        if not keys or not name:
            raise LedgerError("nothing to verify against", code="no-verifier-key", help="give the pinned verifier key")
        with self._database.read() as connection:
            return verify_database(connection, keys, name, list(kept), progress)


def _now() -> datetime:
    return datetime.now(UTC)
