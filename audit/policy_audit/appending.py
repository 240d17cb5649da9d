"""How the tree grows: the head is read under the lock and checked, entries are added, a checkpoint is signed.

All functions run inside the caller's write transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.commitment import Disclosure
from policy_audit.entry import Blob, EntryType, Prepared, seal
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.inserting import Row, insert_rows
from policy_audit.keys import Signer
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.names import (
    BLOB,
    CHECKPOINT,
    DECISION,
    ENTRY,
    LOCK_FUNCTION,
    REVISION,
    TAG,
    TAG_SET,
    VERSION,
)
from policy_audit.note import unpinned_keys
from policy_audit.rotating import refuse_rotated
from policy_audit.vault import Vault
from policy_audit.view import COLUMNS, read_tags

_MAX_PARAMETERS = 500
KnownTags = dict[bytes, int]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an entry stands: its index, its leaf hash (hexadecimal), and the size of the tree that was committed."""

    index: int
    leaf_hash: str
    tree_size: int
    recorded_at: str


def lock_head(connection: Connection) -> None:
    """Wait for the turn to append; on SQLite the transaction itself holds the lock.

    Raises:
        LedgerError: since the ledger was opened, another process has migrated it: this one would write as before.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT {LOCK_FUNCTION}()")
    current = connection.execute(select(VERSION.c.version_num)).scalars().all()
    if current != [REVISION]:
        raise LedgerError(
            f"the ledger has the schema `{', '.join(map(str, current))}` by now, not `{REVISION}`",
            code="ledger-newer",
            help="nothing was recorded; start this program again, in the version that the schema is of",
        )


def start_log(connection: Connection, signer: Signer) -> str:
    """Sign the checkpoint of the empty tree, which every ledger begins with; return its note."""
    return _sign_head(connection, signer, Frontier())


def read_head(connection: Connection, signer: Signer, trusted: str | None) -> Frontier:
    """Return the frontier that the last checkpoint signs.

    `trusted` is the note that this process signed last: where it is still the head, its signature is not
    verified again. What is signed is always read from the note, never from the columns beside it.

    Raises:
        LedgerError: the head is not what this key signed. A tampered head is never extended.
    """
    row = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        raise _tampered("it has no checkpoint")
    if not (isinstance(row.note, str) and isinstance(row.root, bytes) and isinstance(row.frontier, bytes)):
        raise _tampered("its columns are malformed")
    try:
        frontier = Frontier.from_bytes(row.frontier)
        if row.note == trusted:
            checkpoint = parse_checkpoint(row.note)
        else:
            refuse_rotated(connection, signer, row.note)
            checkpoint = open_checkpoint(row.note, [signer.verifier_key], signer.name)
    except VerificationError as error:
        others = unpinned_keys(row.note, signer.name, [signer.verifier_key])
        if error.code == "no-known-signature" and others:
            raise _signed_by(others[-1], signer) from error
        raise _tampered(error.message) from error
    if (checkpoint.size, checkpoint.root) != (row.size, row.root) or frontier.size != row.size:
        raise _tampered("its columns are not what is signed")
    if frontier.root() != row.root:
        raise _tampered("its frontier does not give the signed root")
    return frontier


def extend(
    connection: Connection,
    signer: Signer,
    frontier: Frontier,
    batch: Sequence[Prepared],
    recorded_at: str,
    known_tags: KnownTags,
    vault: Vault,
    cosigner: Signer | None = None,
) -> tuple[list[Recorded], str, KnownTags]:
    """Add entries after `frontier` and sign the new head.

    `cosigner` signs the head too: the new key, where the batch is its rotation.
    Returns where they stand, the head's note, and the sets of tags that were met, by digest.

    Raises:
        PersonalKeyError: there are personal values, and the key that they are to be sealed under is not there.
    """
    first = frontier.size
    met = _tag_sets(connection, batch, first, known_tags)
    entries: list[Row] = []
    views: list[Row] = []
    personal: list[tuple[int, Disclosure]] = []
    for index, prepared in enumerate(batch, start=first):
        data = seal(prepared, recorded_at)
        leaf = leaf_hash(data)
        frontier.append(leaf)
        entries.append((index, prepared.type, recorded_at, leaf, data))
        if prepared.view:
            tag_set = met[prepared.tags.digest] if prepared.tags else None
            views.append((index, recorded_at, *map(prepared.view.get, COLUMNS), tag_set))
        personal += [(index, disclosure) for disclosure in prepared.disclosures]
    for table, rows in ((ENTRY, entries), (DECISION, views)):
        insert_rows(connection, table, rows)
    vault.store(connection, personal)
    note = _sign_head(connection, signer, frontier, *([cosigner] if cosigner else []))
    size = frontier.size
    return [Recorded(row[0], row[3].hex(), size, recorded_at) for row in entries], note, met


def _tag_sets(connection: Connection, batch: Sequence[Prepared], first: int, known: KnownTags) -> KnownTags:
    """Return the ids of the sets of tags that `batch` has, by digest; those that are new are stored."""
    wanted: dict[bytes, tuple[int, bytes]] = {}
    for index, prepared in enumerate(batch, start=first):
        if prepared.tags:
            wanted.setdefault(prepared.tags.digest, (index, prepared.tags.data))
    met = {digest: known[digest] for digest in wanted if digest in known}
    unsure = [digest for digest in wanted if digest not in met]
    for start in range(0, len(unsure), _MAX_PARAMETERS):
        part = unsure[start : start + _MAX_PARAMETERS]
        met.update(connection.execute(select(TAG_SET.c.digest, TAG_SET.c.id).where(TAG_SET.c.digest.in_(part))).all())
    new = [(*wanted[digest], digest) for digest in unsure if digest not in met]
    insert_rows(connection, TAG_SET, [(index, digest) for index, _, digest in new])
    insert_rows(connection, TAG, [(index, *tag) for index, tags, _ in new for tag in read_tags(tags)])
    met.update({digest: index for index, _, digest in new})
    return met


def store_blobs(connection: Connection, blobs: Iterable[Blob], known: set[str]) -> set[str]:
    """Store the blobs that are not stored yet; return all their digests.

    `known` are digests that this process has seen stored, which are not looked up.
    """
    wanted = {blob.digest: blob for blob in blobs}
    unsure = [digest for digest in wanted if digest not in known]
    stored: set[str] = set()
    for start in range(0, len(unsure), _MAX_PARAMETERS):
        part = unsure[start : start + _MAX_PARAMETERS]
        stored.update(connection.execute(select(BLOB.c.digest).where(BLOB.c.digest.in_(part))).scalars())
    new = [(digest, wanted[digest].content) for digest in unsure if digest not in stored]
    insert_rows(connection, BLOB, new)
    return set(wanted)


def has_disposal_since(connection: Connection, since: int, size: int) -> bool:
    """Whether an entry of the indexes [since, size) disposes of documents, so that what was stored may be gone."""
    if size <= since:
        return False
    query = select(ENTRY.c.leaf_index).where(ENTRY.c.leaf_index >= since, ENTRY.c.type == EntryType.DISPOSAL.value)
    return connection.execute(query.limit(1)).first() is not None


def _sign_head(connection: Connection, signer: Signer, frontier: Frontier, *cosigners: Signer) -> str:
    root = frontier.root()
    note = sign_checkpoint(Checkpoint(signer.name, frontier.size, root), signer, *cosigners)
    insert_rows(connection, CHECKPOINT, [(frontier.size, root, frontier.to_bytes(), note)])
    return note


def _tampered(reason: str) -> LedgerError:
    return LedgerError(
        f"the ledger's head is not what this key signed: {reason}",
        code="ledger-tampered",
        help="nothing was recorded; verify the ledger, and check that the signing key is this ledger's",
    )


def _signed_by(other: bytes, signer: Signer) -> LedgerError:
    """Say that the head bears another key's line: of a key that was put back with it, or of whoever forged it."""
    return LedgerError(
        f"the ledger's head is not what this key signed: the line on it is of the key {other.hex()}, and this is "
        f"{signer.key_id.hex()}",
        code="ledger-tampered",
        help=f"nothing was recorded; where the ledger was restored to before a key rotation, name the file of the key "
        f"{other.hex()} with `--ledger-key` (see Restores in audit/README.md); without it the ledger is read, verified "
        "and exported, and not extended; where it was not restored, verify it",
    )
