"""Key rotation in the database: the entry of one, and whether a key was rotated away. Statements are `rotation`'s.

All functions run inside the caller's transaction. A ledger that never rotated costs one row, read by its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError, SigningKeyError, VerificationError
from policy_audit.keys import Signer, parse_verifier_key
from policy_audit.merkle import Frontier
from policy_audit.names import CHECKPOINT, ENTRY
from policy_audit.note import split_note
from policy_audit.rotation import ENTRY_TYPE, KeyHistory, Rotation, read_rotation, sign_statement


def refuse_rotated(connection: Connection, signer: Signer, head: str | None = None) -> None:
    """Refuse a key that a rotation on record replaced; `head` is the last checkpoint's note, where it is known.

    A head that is malformed or another's is left to whoever verifies it.

    Raises:
        SigningKeyError: `signing-key-rotated`.
        LedgerError: the head bears another key's signature by the same name, and no rotation on record says why.
    """
    if head is None:
        head = connection.execute(select(CHECKPOINT.c.note).order_by(CHECKPOINT.c.size.desc()).limit(1)).scalar()
    named = _key_ids(head, signer.name)
    if named == {signer.key_id}:
        return
    came_into_force = False
    for index, entry in rotation_entries(connection):
        try:
            rotation = read_rotation(index, entry)
        except VerificationError:
            continue  # nobody's statement replaces nobody's key
        if rotation is None:
            continue
        came_into_force = came_into_force or rotation.new == signer.verifier_key
        if rotation.old == signer.verifier_key:
            new = parse_verifier_key(rotation.new).key_id.hex()
            raise SigningKeyError(
                f"the signing key {signer.key_id.hex()} was replaced by the key {new} at entry {index}",
                code="signing-key-rotated",
                help="name the new key's file with `--ledger-key`, or move it to where the old one is",
            )
    if signer.key_id in named and not came_into_force:
        raise LedgerError(
            "the ledger's head is signed by two keys of its name, and no key rotation on record says why",
            code="ledger-tampered",
            help="verify the ledger: `policy audit verify`",
        )


def rotation_draft(connection: Connection, frontier: Frontier, old: Signer, new: Signer, reason: str | None) -> Draft:
    """Return the entry by which `new` takes over from `old` after the tree of `frontier`.

    Raises:
        SigningKeyError: `new` is another log's, or a key that this log had already.
    """
    if new.name != old.name:
        raise SigningKeyError(
            f"the new key is named `{new.name}`, and this ledger `{old.name}`",
            help="a ledger keeps its name: make a new key for it with `policy audit rotate-key`",
        )
    earlier = key_history(connection, old.name, [old.verifier_key]).keys
    if new.verifier_key in (*earlier, old.verifier_key) or new.key_id == old.key_id:
        raise SigningKeyError(f"the key {new.key_id.hex()} was in force before; a new key has to be new")
    rotation = Rotation(old.name, frontier.size, frontier.root(), old.verifier_key, new.verifier_key)
    statement = sign_statement(rotation, old, new)
    body = {"old": rotation.old, "new": rotation.new, "statement": statement}
    return Draft(EntryType.KEY_ROTATION, body={**body, **({"reason": reason} if reason else {})})


def rotation_entries(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """Yield index and bytes of the entries that may be key rotations, in order."""
    wanted = select(ENTRY.c.leaf_index, ENTRY.c.entry).where(ENTRY.c.type == ENTRY_TYPE).order_by(ENTRY.c.leaf_index)
    for index, entry in connection.execute(wanted):
        if isinstance(entry, bytes):
            yield index, entry


def key_history(connection: Connection, origin: str, pinned: Sequence[str]) -> KeyHistory:
    """Return which keys sign the ledger's checkpoints, by what is pinned and the rotations on record."""
    return KeyHistory.from_entries(origin, pinned, rotation_entries(connection))


def _key_ids(head: object, name: str) -> set[bytes]:
    """Return the ids of the keys by this name whose lines the head bears."""
    try:
        _, lines = split_note(head if isinstance(head, str) else "")
    except VerificationError:
        return set()
    return {line.key_id for line in lines if line.name == name}
