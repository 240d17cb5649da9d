"""How the tree grows: the head is read under the lock and checked, entries are added, a checkpoint is signed.

All functions run inside the caller's write transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from policy_audit.asking import Ask, Row, ask_all
from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.commitment import Disclosure
from policy_audit.entry import Blob, Prepared, seal
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.groups import Recorded
from policy_audit.inserting import Rows, insert_all
from policy_audit.keys import Signer
from policy_audit.lookups import DOCUMENTS, PERSONS, TAGS, Found, KnownTags, document_asks, look, lookups
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.names import BLOB, CHECKPOINT, DECISION, ENTRY, LOCK, ONCE, REVISION, TAG, TAG_SET, VERSION
from policy_audit.note import unpinned_keys
from policy_audit.once_rows import once_row
from policy_audit.remembered import HEAD_ASK
from policy_audit.rotating import refuse_rotated
from policy_audit.vault import Vault
from policy_audit.view import COLUMNS, read_tags

__all__ = ["Recorded", "extend", "lock_head", "read_head", "start_log", "store_blobs"]


def lock_head(connection: Connection) -> None:
    """Wait for the turn to append; on SQLite the transaction itself holds the lock.

    Raises:
        LedgerError: since the ledger was opened, another process has migrated it: this one would write as before.
    """
    asks = lock_asks(connection.dialect.name == "sqlite")
    check_revision(ask_all(connection, asks)[-1].rows)


def lock_asks(on_sqlite: bool) -> list[Ask]:
    """Return the statements that take the head's lock; the last one's rows are for `check_revision`."""
    version = Ask(f"SELECT version_num FROM {VERSION.name}", often=True)  # noqa: S608
    return [version] if on_sqlite else [Ask(LOCK, often=True), version]


def check_revision(rows: Sequence[Row]) -> None:
    """Refuse a schema that is not this program's.

    Raises:
        LedgerError: the rows of Alembic's table are others.
    """
    if [tuple(row) for row in rows] == [(REVISION,)]:
        return
    found = [str(row[0]) for row in rows]
    older = bool(found) and max(found) < REVISION
    again = "start this program again, in the version that the schema is of"
    raise LedgerError(
        f"the ledger has the schema `{', '.join(found) or 'none'}` by now, not `{REVISION}`",
        code="ledger-not-migrated" if older else "ledger-newer",
        help=f"nothing was recorded; {'run `policy db upgrade`' if older else again}",
    )


def start_log(connection: Connection, signer: Signer) -> str:
    """Sign the checkpoint of the empty tree, which every ledger begins with; return its note."""
    note, head = _signed_head(signer, Frontier())
    insert_all(connection, [head])
    return note


def read_head(
    connection: Connection, signer: Signer, trusted: str | None, found: Sequence[Row] | None = None
) -> Frontier:
    """Return the frontier that the last checkpoint signs.

    `trusted` is the note that this process, or one that it works with, signed last: where it is still the head, its
    signature is not verified again. What is signed is always read from the note, never from the columns beside it.
    `found` are the rows that `HEAD_ASK` gave in this transaction, where it was asked.

    Raises:
        LedgerError: the head is not what this key signed. A tampered head is never extended.
    """
    rows = ask_all(connection, [HEAD_ASK])[0].rows if found is None else found
    if not rows:
        raise _tampered("it has no checkpoint")
    size, root, nodes, note = rows[0]
    if not (isinstance(note, str) and isinstance(root, bytes) and isinstance(nodes, bytes)):
        raise _tampered("its columns are malformed")
    try:
        frontier = Frontier.from_bytes(nodes)
        if note == trusted:
            checkpoint = parse_checkpoint(note)
        else:
            refuse_rotated(connection, signer, note)
            checkpoint = open_checkpoint(note, [signer.verifier_key], signer.name)
    except VerificationError as error:
        others = unpinned_keys(note, signer.name, [signer.verifier_key])
        if error.code == "no-known-signature" and others:
            raise _signed_by(others[-1], signer) from error
        raise _tampered(error.message) from error
    if (checkpoint.size, checkpoint.root) != (size, root) or frontier.size != size:
        raise _tampered("its columns are not what is signed")
    if frontier.root() != root:
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
    *,
    found: Found | None = None,
    beside: Sequence[Rows] = (),
    last: bool = False,
) -> tuple[list[Recorded], str, KnownTags]:
    """Add entries after `frontier` and sign the new head.

    `cosigner` signs the head too: the new key, where the batch is its rotation. `found` is what `look` found for the
    batch, or for more, in this transaction, where it was asked; `beside` are rows to be stored with the entries;
    `last` as `insert_all` has it.
    Returns where they stand, the head's note, and the sets of tags that were met, by digest.

    Raises:
        PersonalKeyError: there are personal values, and the key that they are to be sealed under is not there.
    """
    first = frontier.size
    found = look(connection, lookups(batch, known_tags, vault)) if found is None else found
    met, tags = _tag_sets(batch, first, known_tags, found)
    entries: list[Row] = []
    views: list[Row] = []
    once: list[Row] = []
    personal: list[tuple[int, Disclosure]] = []
    for index, prepared in enumerate(batch, start=first):
        data = seal(prepared, recorded_at)
        leaf = leaf_hash(data)
        frontier.append(leaf)
        entries.append((index, prepared.type, recorded_at, leaf, data))
        if prepared.view:
            tag_set = met[prepared.tags.digest] if prepared.tags else None
            views.append((index, recorded_at, *map(prepared.view.get, COLUMNS), tag_set))
        if prepared.once is not None:
            once.append(once_row(index, prepared.once, recorded_at))
        personal += [(index, disclosure) for disclosure in prepared.disclosures]
    sealed = vault.sealed(connection, personal, found[PERSONS])  # which may ask for more
    # a server works on one part while the next one is made
    insert_all(connection, [*beside, *tags, (ENTRY, entries), (DECISION, views)], last=last)
    insert_all(connection, [*sealed, (ONCE, once)], last=last)
    note, head = _signed_head(signer, frontier, *([cosigner] if cosigner else []))
    insert_all(connection, [head], last=last)
    size = frontier.size
    return [Recorded(row[0], row[3].hex(), size, recorded_at) for row in entries], note, met


def _tag_sets(batch: Sequence[Prepared], first: int, known: KnownTags, found: Found) -> tuple[KnownTags, list[Rows]]:
    """Return the ids of the sets of tags that `batch` has, by digest, and the rows of those that are new."""
    wanted: dict[bytes, tuple[int, bytes]] = {}
    for index, prepared in enumerate(batch, start=first):
        if prepared.tags:
            wanted.setdefault(prepared.tags.digest, (index, prepared.tags.data))
    met: KnownTags = {digest: index for digest, index in found[TAGS] if digest in wanted}
    met |= {digest: known[digest] for digest in wanted if digest in known}
    new = [(*place, digest) for digest, place in wanted.items() if digest not in met]
    met.update({digest: index for index, _, digest in new})
    sets = [(index, digest) for index, _, digest in new]
    return met, [(TAG_SET, sets), (TAG, [(index, *tag) for index, tags, _ in new for tag in read_tags(tags)])]


def store_blobs(connection: Connection, blobs: Iterable[Blob]) -> None:
    """Store the blobs that are not stored yet."""
    wanted = {blob.digest: blob for blob in blobs}
    rows, _ = new_blobs(wanted, look(connection, {DOCUMENTS: document_asks(wanted)}))
    insert_all(connection, [rows])


def new_blobs(wanted: Mapping[str, Blob], found: Found, known: Collection[str] = ()) -> tuple[Rows, set[str]]:
    """Return the rows of the blobs that are not stored yet, and the digests of all.

    `known` are digests that this process has seen stored, which were not looked up.
    """
    stored = {digest for (digest,) in found[DOCUMENTS]}
    new = [(digest, blob.content) for digest, blob in wanted.items() if digest not in known and digest not in stored]
    return (BLOB, new), set(wanted)


def _signed_head(signer: Signer, frontier: Frontier, *cosigners: Signer) -> tuple[str, Rows]:
    root = frontier.root()
    note = sign_checkpoint(Checkpoint(signer.name, frontier.size, root), signer, *cosigners)
    return note, (CHECKPOINT, [(frontier.size, root, frontier.to_bytes(), note)])


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
