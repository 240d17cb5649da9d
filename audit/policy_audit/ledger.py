"""The ledger: append, read, verify. A decision is handed out only after `append` has returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from policy_audit.appending import Recorded, extend, has_disposal_since, lock_head, read_head, store_blobs
from policy_audit.commitment import Disclosure
from policy_audit.database import Database, locate
from policy_audit.entry import Draft, EntryType, Prepared, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.keys import Signer
from policy_audit.opening import Opened, open_file, open_memory, open_server
from policy_audit.records import DecisionFilter, StoredDecision, StoredEntry
from policy_audit.vault import Vault
from policy_audit.vault_opening import open_vault
from policy_audit.view import instant
from policy_audit.waiting import SharedCommits

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from policy_audit.changing import By
    from policy_audit.cosignature import Quorum
    from policy_audit.erasing import Erasure
    from policy_audit.log_folder import Exported
    from policy_audit.recomputing import Recompute
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

    The key is at `key_path`, by default beside the SQLite file as `<path>.key`, and the personal key beside that, as
    `<key>.personal`. `read_only` reads and verifies without keys; without the personal key, personal values stay
    sealed. `clock` gives the time of recording, with a time zone.

    Raises:
        LedgerError: it cannot be opened, is not a ledger, or is not at this program's schema.
        SigningKeyError: the key is missing, exposed, or without its ledger.
        PersonalKeyError: the personal key is exposed, malformed, or cannot be made.
    """
    location = locate(url)
    key = Path(key_path).expanduser().absolute() if key_path is not None else None
    if location.server:
        opened = open_server(location, key, read_only)
    elif location.path is not None:
        key = key or location.path.with_name(location.path.name + ".key")
        opened = open_file(location, location.path, key, read_only)
    else:
        key, opened = None, open_memory(location)
    try:
        vault = open_vault(opened.database, opened.signer, key, read_only)
    except BaseException:
        opened.database.close()
        raise
    return Ledger(opened, vault, read_only=read_only, clock=clock or _now, key_path=key)


class Ledger:
    """An open ledger; safe to share among threads. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        opened: Opened,
        vault: Vault,
        *,
        read_only: bool,
        clock: Callable[[], datetime],
        key_path: Path | None = None,
    ) -> None:
        self._database: Database = opened.database
        self._signer: Signer | None = opened.signer
        self._vault = vault
        self._key_path = key_path
        self._read_only = read_only
        self._clock = clock
        self._head_note: str | None = None
        self._known_blobs: set[str] = set()
        self._known_tags: dict[bytes, int] = {}
        self._commits = SharedCommits(self._commit)
        self._known_size = 0
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
            raise self._for_reading()
        self._database.check_process()
        if self._vault.missing is not None:
            raise self._vault.missing
        try:
            batch = [prepare(_ordinary(draft)) for draft in drafts]
        except CanonicalError as error:
            raise _refused(error) from error
        return self._commits.append(batch) if batch else []

    def _for_reading(self) -> LedgerError:
        return LedgerError(f"the ledger `{self._database.location}` was opened for reading", code="ledger-read-only")

    def _commit(self, batch: Sequence[Prepared]) -> list[Recorded]:
        with self._database.write() as connection:
            lock_head(connection)
            signer = cast("Signer", self._signer)  # as it is now: another thread may have rotated it meanwhile
            frontier = read_head(connection, signer, self._head_note)
            if self._known_blobs and has_disposal_since(connection, self._known_size, frontier.size):
                self._known_blobs = set()
            blobs = (blob for prepared in batch for blob in prepared.blobs)
            stored = store_blobs(connection, blobs, self._known_blobs)
            moment = instant(self._clock())
            recorded, note, tags = extend(connection, signer, frontier, batch, moment, self._known_tags, self._vault)
        # Only what is committed is remembered.
        self._head_note = note
        if len(self._known_blobs) + len(stored) > _MAX_KNOWN:
            self._known_blobs = set()
        self._known_blobs |= stored
        if len(self._known_tags) + len(tags) > _MAX_KNOWN:
            self._known_tags = {}
        self._known_tags.update(tags)
        self._known_size = recorded[-1].tree_size
        return recorded

    def rotate_key(self, new: Signer, reason: str | None = None) -> Recorded:
        """Hand over to a new key of the same name, from the next entry on; return only once that is durable.

        The entry holds a statement signed by both keys, and both sign its checkpoint. Have the new key's file written
        and synced first: nobody can append without it afterwards.

        Raises:
            LedgerError: it was refused; nothing was recorded.
        """
        from policy_audit.rotating import rotation_draft

        with self._database.turn():
            if self._read_only or self._signer is None:
                raise self._for_reading()
            old = self._signer
            try:
                with self._database.write() as connection:
                    lock_head(connection)
                    frontier = read_head(connection, old, self._head_note)
                    batch = [prepare(rotation_draft(connection, frontier, old, new, reason))]
                    moment = instant(self._clock())
                    recorded, _, _ = extend(connection, old, frontier, batch, moment, {}, self._vault, cosigner=new)
            except CanonicalError as error:
                raise _refused(error) from error
            self._signer, self._head_note = new, None
        return recorded[0]

    @property
    def vault(self) -> Vault:
        """What opens personal values; without the personal key it opens none."""
        return self._vault

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

    def walk(self) -> Iterator[StoredEntry]:
        """Yield every entry from the first on, page by page, each checked against its leaf hash.

        What is appended meanwhile may be among them.

        Raises:
            VerificationError: an entry was changed, or is missing before another.
        """
        from policy_audit.walking import next_entries

        last: int | None = None
        while True:
            with self._database.read() as connection:
                entries = next_entries(connection, last)
            if not entries:
                return
            yield from entries
            last = entries[-1].index

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
        """Return the personal values of an entry by name, as stored.

        Absent are those that are sealed, where the personal key is not there, and those no longer held: see `erased`.
        """
        return {name: disclosure.value for name, disclosure in self.disclosures(index).items() if disclosure.salt}

    def disclosures(self, index: int) -> dict[str, Disclosure]:
        """Return the personal values of an entry by name, as stored, each with the salt that opens its commitment.

        `commitment.opens` says whether it does: a value that does not is not the one that was recorded. Of a row that
        was changed so that nothing opens it, salt and value are empty. Sealed values are left out: see `sealed`.
        """
        return self._held(index)[0]

    def sealed(self, index: int) -> set[str]:
        """Return the names of the entry's personal values that are held, and that only the personal key would open."""
        return self._held(index)[1]

    def _held(self, index: int) -> tuple[dict[str, Disclosure], set[str]]:
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_disclosures(connection, index, self._vault)

    def erased(self) -> set[tuple[int, str]]:
        """Return the personal values that erasures on record name, by entry and name.

        A value that is missing, and neither among them nor `disposed`, is a finding: `verify` reports it.
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_erased(connection)

    def disposed(self) -> set[tuple[int, str]]:
        """Return the personal values that were disposed of once no retention period covered them."""
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.read_erased(connection, EntryType.DISPOSAL)

    def erase(
        self, subject: str, *, reason: str, ticket: str | None = None, by: By | None = None, dry_run: bool = False
    ) -> Erasure:
        """Destroy every personal value of the person `subject` with its salt and key, and record that.

        Raises:
            HeldError: a legal hold covers one of the entries; the refusal is on record.
            LedgerError: no value of this person is held, or the reason names the person.
        """
        from policy_audit.erasing import erase

        return erase(self, subject, reason=reason, ticket=ticket, by=by, dry_run=dry_run)

    def _reopen_vault(self) -> None:
        """Open the vault anew, after the personal key has changed."""
        self._vault = open_vault(self._database, self._signer, self._key_path, self._read_only)

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

    def export_log(
        self,
        folder: Path | str,
        *,
        documents: bool = False,
        record: Callable[[Exported], object] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Exported:
        """Write the log up to its latest checkpoint as `folder`, in tlog-tiles layout; extend an older export.

        `documents` writes what the entries name, too. `record` is called when all but the checkpoint is written and
        the ledger can be appended to again: if it raises, the folder gets no checkpoint.

        Raises:
            LedgerError: the folder holds something else (`export-folder`), or cannot be written.
            VerificationError: the entries do not give the signed root, or the folder holds another history.
        """
        from policy_audit.log_folder import LogFolder

        target = LogFolder(Path(folder))
        with self._database.read() as connection:
            exported = target.write(connection, self.verifier_key, documents=documents, progress=progress)
        if record is not None:
            record(exported)
        target.publish(exported)
        return exported

    def consistency(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Return the RFC 9162 proof that the tree of `size1` entries is a prefix of that of `size2`, by default all.

        Raises:
            LedgerError: the ledger has not that many entries.
            VerificationError: `size1` is 0, which proves nothing, or the stored tree does not give the proof.
        """
        from policy_audit.stored_tree import StoredTree

        with self._database.read() as connection:
            tree = StoredTree(connection)
            return tree.consistency(size1, tree.size if size2 is None else size2)

    def verify(
        self,
        verifier_keys: Sequence[str] | None = None,
        origin: str | None = None,
        *,
        kept: Sequence[str] = (),
        quorum: Quorum | None = None,
        progress: Callable[[int, int], None] | None = None,
        recompute: Recompute | None = None,
    ) -> VerificationReport:
        """Derive everything again from the entries' bytes, and report each step.

        `verifier_keys` and `origin` are what the verifier pinned; without them the signing key's own are taken,
        never the database's. `kept` are checkpoints that someone kept, and `quorum` says which witnesses must have
        cosigned each of them. `progress` is called with done and total. `recompute` derives a decision again: with it
        one more step asks it for each.

        Raises:
            LedgerError: the database cannot be read, or nothing is pinned.
        """
        from policy_audit.fsck import verify_database

        keys = list(verifier_keys or ()) or ([self._signer.verifier_key] if self._signer else [])
        name = origin or (keys[0].partition("+")[0] if keys else None)
        if not keys or not name:
            raise LedgerError("nothing to verify against", code="no-verifier-key", help="give the pinned verifier key")
        with self._database.read() as connection:
            report = verify_database(connection, keys, name, list(kept), progress, quorum, self._vault)
            if recompute is not None:
                from policy_audit.recomputing import recompute_decisions

                recompute_decisions(connection, report, recompute, progress)
            return report


def _refused(error: CanonicalError) -> LedgerError:
    return LedgerError(f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help)


def _ordinary(draft: Draft) -> Draft:
    if draft.type == EntryType.KEY_ROTATION:
        raise CanonicalError("a key rotation is recorded by `rotate_key` alone", code="not-an-entry")
    return draft


def _now() -> datetime:
    return datetime.now(UTC)
