"""The tree as the database stores it: roots and consistency proofs without reading all of its leaves.

A checkpoint's frontier holds the roots of the largest perfect subtrees of its size. A subtree's root is therefore
found in some checkpoint's frontier, or made of its two halves', or of its leaves: a proof between any two sizes
takes some hundred short reads where checkpoints are frequent, and the leaves of one commit where they are not.

What is read here is not trusted: a proof is given out only where it leads to the roots of both sizes.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Frontier,
    consistency_ranges,
    inclusion_ranges,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from policy_audit.names import CHECKPOINT, ENTRY

_LEAVES = 512
"""A subtree of so many leaves or fewer is hashed from its leaves."""


class StoredTree:
    """The tree of one snapshot, up to its last checkpoint."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        size = connection.execute(select(func.max(CHECKPOINT.c.size))).scalar()
        if not isinstance(size, int) or size < 0:
            raise LedgerError("the ledger has no checkpoint", code="ledger-tampered")
        self.size = size

    def note(self, size: int) -> str | None:
        """Return the signed checkpoint of exactly this size, if there is one."""
        note = self._connection.execute(select(CHECKPOINT.c.note).where(CHECKPOINT.c.size == size)).scalar()
        return note if isinstance(note, str) else None

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries.

        Raises:
            LedgerError: there are not so many.
            VerificationError: what it is made of was changed.
        """
        self._bound(size)
        note = self.note(size)
        if note is not None:
            checkpoint = parse_checkpoint(note)
            if checkpoint.size == size:
                return checkpoint.root
            raise _changed(f"the checkpoint of size {size}")
        return self._range(0, size) if size else EMPTY_ROOT

    def consistency(self, size1: int, size2: int) -> list[bytes]:
        """Return the RFC 9162 proof that the tree of `size1` entries is a prefix of that of `size2`.

        Raises:
            LedgerError: there are not so many entries.
            VerificationError: `size1` is 0 or above `size2`, or the stored tree does not give the proof.
        """
        self._bound(size2)
        proof = [self._range(start, end) for start, end in consistency_ranges(size1, size2)]
        verify_consistency(size1, size2, self.root(size1), self.root(size2), proof)
        return proof

    def includes(self, index: int, leaf: bytes, size: int, root: bytes) -> bool:
        """Whether the tree of `size` entries with this root has the leaf hash `leaf` at `index`."""
        if not 0 <= index < size <= self.size:
            return False
        try:
            proof = [self._range(start, end) for start, end in inclusion_ranges(index, size)]
            verify_inclusion(index, size, leaf, proof, root)
        except VerificationError:
            return False
        return True

    def _bound(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise LedgerError(
                f"the ledger has {self.size:,} entries under its last checkpoint, and not {size:,}",
                code="entry-missing",
            )

    def _range(self, start: int, end: int) -> bytes:
        """Return the root of the leaves [start, end); `start` is a multiple of the power of two that covers them."""
        parts = []
        while start < end:
            width = 1 << ((end - start).bit_length() - 1)
            parts.append(self._perfect(start, width))
            start += width
        root = parts.pop()
        for part in reversed(parts):
            root = node_hash(part, root)
        return root

    def _perfect(self, start: int, width: int) -> bytes:
        """Return the root of `width` leaves, a power of two, from `start`, a multiple of it."""
        if width <= _LEAVES:
            return self._leaves(start, width)
        # A left sibling stands in the frontier of every size from its end up to its right sibling's end.
        if start // width % 2 == 0:
            node = self._in_frontier(start, width)
            if node is not None:
                return node
        half = width // 2
        return node_hash(self._perfect(start, half), self._perfect(start + half, half))

    def _in_frontier(self, start: int, width: int) -> bytes | None:
        between = CHECKPOINT.c.size >= start + width, CHECKPOINT.c.size < start + 2 * width
        wanted = select(CHECKPOINT.c.size, CHECKPOINT.c.frontier).where(*between).order_by(CHECKPOINT.c.size).limit(1)
        row = self._connection.execute(wanted).one_or_none()
        if row is None:
            return None
        if not isinstance(row.frontier, bytes):
            raise _changed(f"the frontier of the checkpoint of size {row.size}")
        frontier = Frontier.from_bytes(row.frontier)
        if frontier.size != row.size:
            raise _changed(f"the frontier of the checkpoint of size {row.size}")
        return frontier.nodes[(frontier.size // (2 * width)).bit_count()]

    def _leaves(self, start: int, width: int) -> bytes:
        within = ENTRY.c.leaf_index >= start, ENTRY.c.leaf_index < start + width
        wanted = select(ENTRY.c.leaf_hash).where(*within).order_by(ENTRY.c.leaf_index)
        frontier = Frontier()
        for leaf in self._connection.execute(wanted).scalars():
            if not isinstance(leaf, bytes) or len(leaf) != HASH_BYTES:
                raise _changed(f"a leaf hash from {start} on")
            frontier.append(leaf)
        if frontier.size != width:
            raise _changed(f"the entries from {start} on")
        return frontier.root()


def _changed(what: str) -> VerificationError:
    return VerificationError(f"{what} is not what was recorded", code="tree-changed", help="run `policy audit verify`")
