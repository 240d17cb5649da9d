"""The ledger: append, read, verify. A decision is handed out only after `append` has returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policy_audit.database import locate
from policy_audit.entry import Draft, EntryType, Prepared
from policy_audit.errors import LedgerError
from policy_audit.groups import Group, Guard, Recorded, prepare_draft
from policy_audit.ledger_reading import LedgerReading
from policy_audit.ledger_writing import LedgerWriting
from policy_audit.once_sealed import Once
from policy_audit.opening import open_file, open_memory, open_server
from policy_audit.records import DecisionFilter, StoredDecision, StoredEntry
from policy_audit.vault_opening import open_vault

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.cosignature import Quorum
    from policy_audit.erasing import Erasure
    from policy_audit.recomputing import Recompute
    from policy_audit.remembered import Remembered
    from policy_audit.report import VerificationReport

__all__ = [
    "DecisionFilter",
    "Draft",
    "EntryType",
    "Group",
    "Guard",
    "Ledger",
    "Once",
    "Prepared",
    "Recorded",
    "StoredDecision",
    "StoredEntry",
    "open_ledger",
    "prepare_draft",
]


def open_ledger(
    url: str,
    *,
    key_path: Path | str | None = None,
    read_only: bool = False,
    clock: Callable[[], datetime] | None = None,
    create: bool = True,
    remembered: Remembered | None = None,
) -> Ledger:
    """Open the ledger at `url`; a SQLite file that is not there yet is made, with its signing key.

    The key is at `key_path`, by default beside the SQLite file as `<path>.key`, and the personal key beside that, as
    `<key>.personal`. `read_only` reads and verifies without keys; without the personal key, personal values stay
    sealed. `clock` gives the time of recording, with a time zone. Not `create`: nothing is made that is not there.
    `remembered` is what the ledger's head is held to, by whoever opens it again and again.

    Raises:
        LedgerError: it cannot be opened, is not a ledger, or is not at this program's schema.
        SigningKeyError: the key is missing, exposed, or without its ledger.
        PersonalKeyError: the personal key is exposed, malformed, or cannot be made.
    """
    location = locate(url)
    key = Path(key_path).expanduser().absolute() if key_path is not None else None
    if location.server:
        opened = open_server(location, key, read_only, create)
    elif location.path is not None:
        key = key or location.path.with_name(location.path.name + ".key")
        opened = open_file(location, location.path, key, read_only, create)
    else:
        key, opened = None, open_memory(location)
    try:
        vault = open_vault(opened.database, opened.signer, key, read_only)
    except BaseException:
        opened.database.close()
        raise
    opened.database.remembered = remembered
    return Ledger(opened, vault, read_only=read_only, clock=clock or _now, key_path=key)


class Ledger(LedgerWriting, LedgerReading):
    """An open ledger; safe to share among threads. Close it, or use it in a `with` statement."""

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


def _now() -> datetime:
    return datetime.now(UTC)
