"""The half of a ledger that reads. What it gives out is checked as far as it goes; `verify` alone verifies.

The modules that read are imported where they are used: whoever appends needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policy_audit.commitment import Disclosure
from policy_audit.entry import EntryType
from policy_audit.ledger_base import LedgerBase
from policy_audit.records import DecisionFilter, StoredDecision, StoredEntry

if TYPE_CHECKING:
    from policy_audit.log_folder import Exported


class LedgerReading(LedgerBase):
    """Entries, decisions, documents, personal values, proofs, and the log as a folder."""

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

    def find_decision(self, identifier: str, namespaces: Collection[str] | None = None) -> StoredDecision:
        """Return the decision with this id, or with the only id that begins so (four characters or more).

        With `namespaces` decisions of others are as if they were not there.

        Raises:
            LedgerError: there is none (`decision-missing`), or several (`decision-ambiguous`).
        """
        from policy_audit import reading

        with self._database.read() as connection:
            return reading.find_decision(connection, identifier, namespaces)

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

    def check_schema(self) -> None:
        """Check that the schema is still this program's, for who asks before they append.

        Raises:
            LedgerError: another version has migrated it; nothing can be appended any more.
        """
        from policy_audit.appending import check_revision, lock_asks
        from policy_audit.asking import ask_all

        with self._database.read() as connection:
            check_revision(ask_all(connection, lock_asks(True)[-1:])[0].rows)

    def check_keys(self) -> None:
        """Check that what is appended would be signed and sealed under the ledger's own keys, and that these are still
        the ones that their files have: whoever took a key away, or put another one there, means it.

        Raises:
            SigningKeyError: the signing key was rotated away, or its file does not hold it.
            PersonalKeyError: the personal key is not there, or another one.
            LedgerError: the head is not what the signing key signed.
        """
        from policy_audit.appending import read_head
        from policy_audit.errors import PersonalKeyError, SigningKeyError
        from policy_audit.personal_key import path_of, read_personal_key
        from policy_audit.signing_program import read_signer
        from policy_audit.vault import check_key

        if self._signer is None:
            raise SigningKeyError("the ledger was opened without its signing key", code="signing-key-missing")
        if self._vault.missing is not None:
            raise self._vault.missing
        filed = read_signer(self._key_path) if self._key_path is not None else self._signer
        key = self._vault.key
        if self._key_path is not None and key is not None and read_personal_key(path_of(self._key_path)) != key:
            raise PersonalKeyError("the personal key's file holds another key by now", code="personal-key-other")
        with self._database.read() as connection:
            read_head(connection, self._signer, None)
            if filed.verifier_key != self._signer.verifier_key:
                read_head(connection, filed, None)
                raise SigningKeyError("the signing key's file holds another key by now", code="signing-key-rotated")
            if key is not None:
                check_key(connection, key)

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
