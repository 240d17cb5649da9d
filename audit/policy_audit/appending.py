"""How the tree grows: the head is read under the lock and checked, entries are added, a checkpoint is signed.

All functions run inside the caller's write transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TableClause, select

from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.commitment import Disclosure
from policy_audit.entry import Blob, Prepared, seal
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import Signer
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.names import BLOB, CHECKPOINT, DECISION, ENTRY, LOCK_FUNCTION, PERSONAL, REVISION, VERSION
from policy_audit.view import decision_row

_MAX_PARAMETERS = 500
_COUNTED = {"preserve_rowcount": True}


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
            checkpoint = open_checkpoint(row.note, [signer.verifier_key], signer.name)
    except VerificationError as error:
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
) -> tuple[list[Recorded], str]:
    """Add entries after `frontier` and sign the new head; return where they stand, and the head's note."""
    first = frontier.size
    entries: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []
    personal: list[dict[str, Any]] = []
    for index, prepared in enumerate(batch, start=first):
        data = seal(prepared, recorded_at)
        leaf = leaf_hash(data)
        frontier.append(leaf)
        kind = prepared.members["type"]
        entries.append(
            {"leaf_index": index, "type": kind, "recorded_at": recorded_at, "leaf_hash": leaf, "entry": data}
        )
        view = decision_row(index, kind, recorded_at, prepared.members.get("view", {}))
        if view is not None:
            views.append(view)
        personal.extend(_personal_row(index, disclosure) for disclosure in prepared.disclosures)
    for table, rows in ((ENTRY, entries), (DECISION, views), (PERSONAL, personal)):
        insert(connection, table, rows)
    note = _sign_head(connection, signer, frontier)
    return [Recorded(row["leaf_index"], row["leaf_hash"].hex(), frontier.size, recorded_at) for row in entries], note


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
    new = [{"digest": digest, "content": wanted[digest].content} for digest in unsure if digest not in stored]
    insert(connection, BLOB, new)
    return set(wanted)


def insert(connection: Connection, table: TableClause, rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`, all of them.

    Raises:
        LedgerError: the database took some and says nothing: a rule or a trigger of somebody's drops them.
    """
    if rows and connection.execute(table.insert(), rows, execution_options=_COUNTED).rowcount != len(rows):
        raise LedgerError(
            f"the database drops what is written to `{table.name}`",
            code="ledger-tampered",
            help="nothing was recorded; `policy audit verify` names the rule or trigger",
        )


def _personal_row(index: int, disclosure: Disclosure) -> dict[str, Any]:
    return {"leaf_index": index, "name": disclosure.name, "salt": disclosure.salt, "value": disclosure.value}


def _sign_head(connection: Connection, signer: Signer, frontier: Frontier) -> str:
    root = frontier.root()
    note = sign_checkpoint(Checkpoint(signer.name, frontier.size, root), signer)
    row = {"size": frontier.size, "root": root, "frontier": frontier.to_bytes(), "note": note}
    insert(connection, CHECKPOINT, [row])
    return note


def _tampered(reason: str) -> LedgerError:
    return LedgerError(
        f"the ledger's head is not what this key signed: {reason}",
        code="ledger-tampered",
        help="nothing was recorded; verify the ledger, and check that the signing key is this ledger's",
    )
