"""Inclusion proofs of many entries under one checkpoint, from one pass over all entries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.merkle import inclusion_ranges, node_hash
from policy_audit.proof import Proof

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from policy_audit.vault import Vault
    from policy_audit.whole import Progress

Range = tuple[int, int]
_PART = 8192


def prove_entries(
    connection: Connection,
    note: str,
    verifier_key: str | None,
    indexes: Collection[int],
    vault: Vault | None = None,
    columns: bool = True,
    progress: Progress | None = None,
) -> dict[int, Proof]:
    """Return the proof of each of `indexes` under the checkpoint `note`, in one pass over the ledger's entries.

    The signature is verified where the ledger's own key is given, as of the note's size, for the key may have rotated.
    The entries must give the signed root, and their query columns be those of their bytes (`whole.compared_leaves`),
    also where nothing is to be proven; with the `vault`, persons are compared, too. Without `columns` the leaf hashes
    alone must give the root, for what is not found by columns, and says itself what was found wrong.

    Raises:
        VerificationError: they are not, so that the ledger is not what it signed, or the note is not its own.
    """
    from policy_audit.whole import compared_leaves

    checkpoint = _opened(connection, note, verifier_key)
    if checkpoint.size == 0:
        return {}
    compared = compared_leaves(connection, checkpoint.size, vault, progress)
    leaves = compared if columns else _leaf_hashes(connection, checkpoint.size)
    root, paths = inclusion_proofs(leaves, checkpoint.size, indexes)
    if root != checkpoint.root:
        raise _changed(f"the entries do not give the signed root of size {checkpoint.size:,}")
    return {index: Proof(index, path, note) for index, path in paths.items()}


def _opened(connection: Connection, note: str, verifier_key: str | None) -> Checkpoint:
    if verifier_key is None:
        return parse_checkpoint(note)
    from policy_audit.rotating import key_history

    return key_history(connection, verifier_key.partition("+")[0], [verifier_key]).open(note)


def _leaf_hashes(connection: Connection, size: int) -> Iterator[bytes]:
    """Yield the leaf hashes of the first `size` entries, page by page; a gap is an error."""
    from sqlalchemy import select

    from policy_audit.names import ENTRY

    index = 0
    while index < size:
        columns = select(ENTRY.c.leaf_index, ENTRY.c.leaf_hash)
        part = columns.where(ENTRY.c.leaf_index >= index, ENTRY.c.leaf_index < size)
        rows = connection.execute(part.order_by(ENTRY.c.leaf_index).limit(_PART)).all()
        for found, leaf in rows:
            if found != index or not isinstance(leaf, bytes):
                raise _changed(f"the entry {index} is missing, or its leaf hash is no hash")
            yield leaf
            index += 1
        if not rows:
            raise _changed(f"the entry {index} is missing")


def _changed(reason: str) -> VerificationError:
    return VerificationError(
        f"the ledger is not what it signed: {reason}", code="tree-changed", help="run `policy audit verify`"
    )


def inclusion_proofs(
    leaf_hashes: Iterable[bytes], size: int, indexes: Collection[int]
) -> tuple[bytes, dict[int, tuple[bytes, ...]]]:
    """Return the root of the first `size` leaves, and the inclusion proof of each of `indexes` in their tree.

    Holds some twenty hashes for each of `indexes`, however large the tree is.

    Raises:
        VerificationError: there are not `size` leaves, or an index is not below it.
    """
    paths = {index: inclusion_ranges(index, size) for index in indexes}
    wanted = {part for path in paths.values() for part in path}
    root, found = _walk(leaf_hashes, size, wanted)
    return root, {index: tuple(found[part] for part in path) for index, path in paths.items()}


def _walk(leaf_hashes: Iterable[bytes], size: int, wanted: set[Range]) -> tuple[bytes, dict[Range, bytes]]:
    """Fold the leaves into the root, keeping the hash of each range that is wanted."""
    found: dict[Range, bytes] = {}
    stack: list[tuple[int, int, bytes]] = []
    end = 0
    for leaf in leaf_hashes:
        start, end, node = end, end + 1, leaf
        if (start, end) in wanted:
            found[start, end] = node
        # the complete subtrees before it that are as large as what has grown are its left siblings
        while stack and stack[-1][1] - stack[-1][0] == end - start:
            start, _, left = stack.pop()
            node = node_hash(left, node)
            if (start, end) in wanted:
                found[start, end] = node
        stack.append((start, end, node))
    if end != size or not stack:
        raise VerificationError(f"there are {end:,} leaves, and the checkpoint covers {size:,}", code="tree-changed")
    # what is left are the subtrees along the right edge
    _, _, node = stack.pop()
    while stack:
        start, _, left = stack.pop()
        node = node_hash(left, node)
        if (start, size) in wanted:
            found[start, size] = node
    return node, found
