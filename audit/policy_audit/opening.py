"""Opening: which ledger, with which key, and what is refused. A ledger and its key come and go together.

A ledger has begun when it holds a checkpoint; its first one, of size 0, is signed with the key that was made for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from policy_audit.appending import lock_head, start_log
from policy_audit.database import Database, Location, connect, use_write_ahead_log
from policy_audit.errors import LedgerError, SigningKeyError
from policy_audit.keys import Signer, generate_signer, write_key_file
from policy_audit.names import CHECKPOINT, ENTRY, REVISION
from policy_audit.rotating import refuse_rotated
from policy_audit.signing_program import read_signer
from policy_audit.sqlite_file import check_sqlite_file, create_sqlite_file
from policy_audit.state import refuse_other, revision


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database, and the key that goes with it; `created` where both, or the log, were just made."""

    database: Database
    signer: Signer | None
    created: bool = False


def open_memory(location: Location) -> Opened:
    """Make a scratch ledger, with a key that nobody keeps."""
    from policy_audit.schema import create_in_memory

    database = connect(location)
    signer = generate_signer()
    with database.write() as connection:
        create_in_memory(connection)
        start_log(connection, signer)
    return Opened(database, signer)


def open_file(location: Location, path: Path, key: Path, read_only: bool, create: bool = True) -> Opened:
    """Open a SQLite ledger, or make it together with its key. Not `create`: only one that has begun.

    Raises:
        LedgerError: it is not there (`read_only`, not `create`), not a ledger, newer than this program, or unreadable.
        SigningKeyError: one of ledger and key is there without the other.
    """
    # INVARIANT: a ledger's file is made before its key. So a key seen first without a file seen later is a loss.
    had_key = key.exists()
    if not path.exists():
        if had_key:
            raise _gone(path, key)
        if read_only or not create:
            hint = None if read_only else "put it back; a new one is made by `policy token create`"
            raise LedgerError(f"there is no ledger at `{path}`", code="ledger-missing", help=hint)
        create_sqlite_file(path)
    check_sqlite_file(path)
    database = connect(location)
    try:
        with database.read() as connection:
            refuse_other(connection, location)
            current = revision(connection)
            begun = current == REVISION and _has_begun(connection)
        if begun:
            return _opened(database, _key(key, read_only), read_only)
        if read_only or (current is None and not create):
            raise _unready(location)
        use_write_ahead_log(database)
        return _begin(database, key, create)
    except BaseException:
        database.close()
        raise


def open_server(location: Location, key: Path | None, read_only: bool, create: bool = True) -> Opened:
    """Open a ledger on PostgreSQL, which is never migrated here; its log begins with a new key, unless not `create`.

    Raises:
        LedgerError: the schema is not the current one, or the server cannot be reached.
        SigningKeyError: no key file is named, or one of ledger and key is there without the other.
    """
    if key is None and not read_only:
        raise SigningKeyError(
            "a ledger on PostgreSQL needs a file for its signing key",
            code="signing-key-path",
            help="name it with `--ledger-key`, or in POLICY_LEDGER_KEY; the key never stands in the database",
        )
    database = connect(location)
    try:
        with database.read() as connection:
            current = revision(connection)
            begun = current == REVISION and _has_begun(connection)
        if current != REVISION:
            raise _not_migrated(location, current)
        if begun:
            return _opened(database, _key(key, read_only), read_only)
        if read_only or key is None:
            raise _unready(location)
        return _begin(database, key, create)
    except BaseException:
        database.close()
        raise


def _begin(database: Database, key: Path, create: bool) -> Opened:
    """Migrate a new SQLite ledger and begin its log, unless another process was first."""
    made = False
    try:
        with database.write() as connection:
            current = revision(connection)
            if current != REVISION:
                from policy_audit.migrate import migrate

                migrate(connection, current, database.location)
            lock_head(connection)
            begun = _has_begun(connection)
            if not begun:
                if key.exists():
                    raise _gone(database.location, key)
                if not create:
                    raise _unready(database.location)
                signer = generate_signer()
                start_log(connection, signer)
                write_key_file(key, signer)
                made = True
    except BaseException:
        # A server may have committed all the same; then the key must stay.
        if made and database.on_sqlite:
            key.unlink(missing_ok=True)
        raise
    return Opened(database, read_signer(key) if begun else signer, created=not begun)


def _opened(database: Database, signer: Signer | None, read_only: bool) -> Opened:
    """Refuse to append with a key that was rotated away; reading signs nothing, and may go by the old key."""
    if signer is not None and not read_only:
        with database.read() as connection:
            refuse_rotated(connection, signer)
    return Opened(database, signer)


def _has_begun(connection: Connection) -> bool:
    tables = (CHECKPOINT.c.size, ENTRY.c.leaf_index)
    return any(connection.execute(select(column).limit(1)).first() is not None for column in tables)


def _key(key: Path | None, read_only: bool) -> Signer | None:
    try:
        return read_signer(key) if key is not None else None
    except SigningKeyError as error:
        if read_only:
            return None
        if error.code == "signing-key-missing":
            error.help = "restore the key; without it the ledger can be read and verified, but not extended"
        raise


def _unready(location: Location) -> LedgerError:
    return LedgerError(
        f"the database `{location}` holds no ledger of this program's version",
        code="ledger-missing",
        help="`policy db status` says which schema it has",
    )


def _gone(place: object, key: Path) -> SigningKeyError:
    return SigningKeyError(
        f"the signing key `{key}` is there, but its ledger `{place}` is gone or empty",
        code="ledger-gone",
        help="restore the ledger from a backup; to begin another one, move the key away first",
    )


def _not_migrated(location: Location, current: str | None) -> LedgerError:
    if current is not None and current > REVISION:
        return LedgerError(
            f"the schema `{current}` of the ledger `{location}` is newer than this program",
            code="ledger-newer",
            help="use the version of policy-engine that wrote it, or a later one",
        )
    return LedgerError(
        f"the ledger `{location}` has the schema `{current or 'none'}`, not `{REVISION}`",
        code="ledger-not-migrated",
        help="run `policy db upgrade`",
    )
