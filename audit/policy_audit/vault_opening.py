"""Opening a ledger's vault: its personal key is read, made with the ledger, or missed; plain values are sealed.

INVARIANT: no personal key is made for a ledger that holds sealed values: its loss must be noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, select, tuple_

from policy_audit.appending import lock_head
from policy_audit.commitment import opens
from policy_audit.database import Database
from policy_audit.durable import sync_folder
from policy_audit.entry import parse_entry
from policy_audit.errors import CanonicalError, LedgerError, PersonalKeyError
from policy_audit.keys import Signer
from policy_audit.merkle import leaf_hash
from policy_audit.names import ENTRY, PERSONAL
from policy_audit.personal_key import (
    PersonalKey,
    generate_personal_key,
    path_of,
    read_personal_key,
    write_personal_key,
)
from policy_audit.sealing import read_plain
from policy_audit.vault import Vault, check_key, has_subject_keys

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

_PAGE = 500
MISSING_HELP = (
    "restore it from its backup; if it is lost for good, nobody can read the sealed values any more, and "
    "`policy audit erase --unreadable --reason TEXT` puts that on record and lets the ledger go on"
)


def open_vault(database: Database, signer: Signer | None, signing_key: Path | None, read_only: bool) -> Vault:
    """Return the ledger's vault. Who only reads gets one without a key where it cannot be read.

    Raises:
        PersonalKeyError: it is exposed, malformed, or cannot be made. One that is lost, or another ledger's, does
            not keep the ledger from being read: `Vault.missing` refuses what is to be appended.
    """
    if signing_key is None:
        scratch = None if read_only or signer is None else generate_personal_key(signer.name)
        return Vault(scratch)
    path = path_of(signing_key)
    if read_only:
        return Vault(_key_for_reading(database, path))
    assert signer is not None  # noqa: S101 - who opens for appending has the signing key
    vault = _vault_for_appending(database, signer, path)
    if vault.missing is None:
        try:
            _seal_plain(database, vault)
        except LedgerError as error:
            # A role that may append and not delete leaves them as they are; who may erase seals them.
            if error.code not in ("ledger-read-only", "ledger-rights"):
                raise
    return vault


def following(path: Path) -> Path:
    """Return where the next personal key stands while `policy audit rekey` changes over to it."""
    return path.with_name(path.name + ".next")


def write_beside(ledger: Ledger, signing_key: Path) -> bool:
    """Write the personal key beside a signing key that is to take over: there it is looked for from then on.

    Return whether it was written: one that is lost stays so, and a command cut short may have written it before.

    Raises:
        PersonalKeyError: another one is there, or it cannot be written.
    """
    key, path = ledger._vault.key, path_of(signing_key)
    if key is None or ledger._vault.missing is not None:
        return False
    if not path.exists():
        write_personal_key(path, key)
        return True
    if read_personal_key(path).text != key.text:
        message = f"the file `{path}` holds another personal key"
        raise PersonalKeyError(message, code="personal-key-other", help="name a signing key with none beside it")
    return False


def _key_for_reading(database: Database, path: Path) -> PersonalKey | None:
    found = [key for key in map(_readable, (path, following(path))) if key is not None]
    if len(found) < 2:
        return found[0] if found else None
    with database.read() as connection:
        return next((key for key in found if _fits(connection, key)), found[0])


def _readable(path: Path) -> PersonalKey | None:
    try:
        return read_personal_key(path)
    except PersonalKeyError:
        return None


def _vault_for_appending(database: Database, signer: Signer, path: Path) -> Vault:
    if not path.exists() or following(path).exists():
        # The lock keeps others from making a key, or from changing over to the next one, at the same time.
        with database.write() as connection:
            lock_head(connection)
            _settle(connection, path)
            if not path.exists():
                if has_subject_keys(connection):
                    return Vault(None, _missing(path))
                write_personal_key(path, generate_personal_key(signer.name))
    key = read_personal_key(path)
    try:
        with database.read() as connection:
            check_key(connection, key)
    except PersonalKeyError as error:
        return Vault(key, missing=error)
    return Vault(key)


def _settle(connection: Connection, path: Path) -> None:
    """Finish or take back a change of the personal key that was cut short: the database says which key it is under."""
    coming = following(path)
    following_key = _readable(coming)
    if following_key is None:
        return
    if has_subject_keys(connection) and _fits(connection, following_key):
        coming.replace(path)
    elif path.exists():
        coming.unlink(missing_ok=True)
    sync_folder(path.parent)


def _fits(connection: Connection, key: PersonalKey) -> bool:
    try:
        check_key(connection, key)
    except PersonalKeyError:
        return False
    return True


def _missing(path: Path) -> PersonalKeyError:
    return PersonalKeyError(
        f"the personal key `{path}` is missing, and the ledger holds values that are sealed under it",
        code="personal-key-missing",
        help=MISSING_HELP,
    )


def _seal_plain(database: Database, vault: Vault) -> None:
    """Seal the values that were carried over from revision 0001; one that was altered stays, for `verify` to find."""
    after: tuple[int, str] | None = None
    sealed = False
    while True:
        with database.read() as connection:
            rows = _plain_rows(connection, after)
        if not rows:
            break
        after = (rows[-1].leaf_index, rows[-1].name)
        with database.write() as connection:
            lock_head(connection)
            sealed |= _seal_rows(connection, vault, rows)
    if sealed:
        database.fold_log()


def _plain_rows(connection: Connection, after: tuple[int, str] | None) -> Sequence[Any]:
    key = (PERSONAL.c.leaf_index, PERSONAL.c.name)
    query = select(PERSONAL).where(PERSONAL.c.subject.is_(None))
    if after is not None:
        query = query.where(tuple_(*key) > after)
    return connection.execute(query.order_by(*key).limit(_PAGE)).all()


def _seal_rows(connection: Connection, vault: Vault, rows: Sequence[Any]) -> bool:
    """Replace plain rows by sealed ones, in the caller's transaction; those alone that open their commitments."""
    indexes = sorted({row.leaf_index for row in rows if isinstance(row.leaf_index, int)})
    query = select(ENTRY.c.leaf_index, ENTRY.c.entry, ENTRY.c.leaf_hash).where(ENTRY.c.leaf_index.in_(indexes))
    commitments = {entry.leaf_index: _commitments(entry) for entry in connection.execute(query)}
    values = []
    for row in rows:
        disclosure = read_plain(row.name, row.sealed)
        digest = commitments.get(row.leaf_index, {}).get(row.name)
        if disclosure is None or digest is None or not opens(digest, disclosure):
            continue
        same = and_(PERSONAL.c.leaf_index == row.leaf_index, PERSONAL.c.name == row.name)
        # another process may have sealed or erased it since it was read
        if connection.execute(PERSONAL.delete().where(same, PERSONAL.c.subject.is_(None))).rowcount == 1:
            values.append((row.leaf_index, disclosure))
    vault.store(connection, values)
    return bool(values)


def _commitments(row: Any) -> dict[str, str]:
    try:
        if isinstance(row.entry, bytes) and leaf_hash(row.entry) == row.leaf_hash:
            return parse_entry(row.entry).commitments
    except CanonicalError:
        pass
    return {}
