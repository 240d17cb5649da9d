"""Whether a ledger is the one whose key somebody pinned, asked before anything is made or recorded in it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from policy_audit.database import connect, locate
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import parse_verifier_key
from policy_audit.names import CHECKPOINT
from policy_audit.note import split_note
from policy_audit.reading import read_checkpoint
from policy_audit.rotating import key_history
from policy_audit.sqlite_file import check_sqlite_file
from policy_audit.state import revision

CODE = "ledger-pinned"


def require_pinned(url: str, pinned: str) -> str:
    """Return the verifier key that is in force in the ledger at `url`, which `pinned` is, or leads to by rotations.

    Nothing is made, migrated or written.

    Raises:
        LedgerError: `ledger-pinned`: there is no ledger, or its newest checkpoint is signed by other keys.
        VerificationError: `pinned` is no verifier key.
    """
    parse_verifier_key(pinned)
    location = locate(url)
    if location.path is None and not location.server:
        raise _refused("a ledger in memory is always a new one, and a ledger's key is pinned", pinned)
    if location.path is not None and not location.path.exists():
        raise _refused(f"there is no ledger at `{location}`, and a ledger's key is pinned: none is made", pinned)
    if location.path is not None:
        check_sqlite_file(location.path)
    database = connect(location)
    try:
        with database.read() as connection:
            return key_in_force(connection, str(location), pinned)
    finally:
        database.close()


def key_in_force(connection: Connection, place: str, pinned: str) -> str:
    """Return the key in force of the ledger that a transaction sees: see `require_pinned`.

    A key that a rotation on record replaced does, too, and a ledger rolled back to before that rotation cannot be
    told by it: pin the newest.
    """
    if revision(connection) is None or connection.execute(select(CHECKPOINT.c.size).limit(1)).first() is None:
        raise _refused(f"no ledger has begun at `{place}`, and a ledger's key is pinned: none is made", pinned)
    note = read_checkpoint(connection)
    history = key_history(connection, parse_verifier_key(pinned).name, [pinned])
    try:
        checkpoint = history.open(note)
    except VerificationError as error:
        message = (
            f"the ledger `{place}` is not the one that is pinned: its newest checkpoint is signed by {_signers(note)}"
        )
        raise _refused(message, pinned) from error
    return history.keys_at(checkpoint.size)[-1]


def _signers(note: str) -> str:
    try:
        lines = split_note(note)[1]
    except VerificationError:
        return "nobody who can be told"
    return ", ".join(f"`{line.name}`, key {line.key_id.hex()}" for line in lines) or "nobody"


def _refused(message: str, pinned: str) -> LedgerError:
    verifier = parse_verifier_key(pinned)
    hint = f"name the ledger of `{verifier.name}`, key {verifier.key_id.hex()}, or pin another with --ledger-vkey"
    return LedgerError(message, code=CODE, help=hint)
