"""The Merkle tree of RFC 6962 and RFC 9162: hashes, proofs and their verification; no input or output.

A tree is a sequence of leaf hashes. Hashes are SHA-256, 32 bytes. Verifying takes hostile input: every length,
index and size is bounded before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest

from policy_audit.errors import VerificationError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
MAX_PROOF_HASHES = 64
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry's bytes to its leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees' roots to their parent."""
    # RFC 9162 2.1.1: 0x01 keeps a node from passing as a leaf.
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of a tree's maximal perfect subtrees, largest first: all that appending needs.

    INVARIANT: there is one node for each set bit of `size`.
    """

    __slots__ = ("_nodes", "_size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self._nodes = list(nodes)
        self._size = _bounded("size", size, 0, MAX_SIZE)
        if len(self._nodes) != size.bit_count() or any(len(node) != HASH_BYTES for node in self._nodes):
            raise VerificationError(f"a frontier of {len(self._nodes)} hashes does not fit the size {size}")

    @property
    def size(self) -> int:
        return self._size

    @property
    def nodes(self) -> tuple[bytes, ...]:
        return tuple(self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        if len(leaf) != HASH_BYTES:
            raise VerificationError(f"a hash has {HASH_BYTES} bytes")
        node, size = leaf, self._size
        while size & 1:
            node = node_hash(self._nodes.pop(), node)
            size >>= 1
        self._nodes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the tree's root hash."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root

    def to_bytes(self) -> bytes:
        """Return the size in eight bytes, big-endian, and the nodes."""
        return self._size.to_bytes(8, "big") + b"".join(self._nodes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote."""
        if len(data) < 8 or len(data) % HASH_BYTES != 8 or len(data) > 8 + MAX_PROOF_HASHES * HASH_BYTES:
            raise VerificationError(f"{len(data)} bytes are not a frontier")
        nodes = (data[start : start + HASH_BYTES] for start in range(8, len(data), HASH_BYTES))
        return cls(int.from_bytes(data[:8], "big"), nodes)


def root_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree with these leaves; SHA-256 of nothing where there are none."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges [start, end) whose roots prove `index` in a tree of `size`, nearest first."""
    _bounded("size", size, 1, MAX_SIZE)
    _bounded("index", index, 0, size - 1)
    ranges, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(size1: int, size2: int) -> list[tuple[int, int]]:
    """Return the leaf ranges [start, end) whose roots prove the tree of `size1` a prefix of that of `size2`."""
    _bounded("second size", size2, 1, MAX_SIZE)
    _bounded("first size", size1, 1, size2)
    ranges, start, end = [], 0, size2
    while size1 != end:
        middle = start + _split(end - start)
        if size1 <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start > 0:  # RFC 9162 2.1.4.1: the first tree's own root is known to the verifier and left out
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """Prove that the leaf at `index` is in the tree of the first `size` leaves (RFC 9162 2.1.3.1)."""
    _bounded("size", size, 1, len(leaf_hashes))
    return [root_hash(leaf_hashes[start:end]) for start, end in inclusion_ranges(index, size)]


def consistency_proof(leaf_hashes: Sequence[bytes], size1: int, size2: int) -> list[bytes]:
    """Prove that the tree of `size1` leaves is a prefix of that of `size2` (RFC 9162 2.1.4.1).

    Raises:
        VerificationError: `size1` is 0, which every tree continues and which therefore proves nothing.
    """
    _bounded("second size", size2, 1, len(leaf_hashes))
    return [root_hash(leaf_hashes[start:end]) for start, end in consistency_ranges(size1, size2)]


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Verify an inclusion proof (RFC 9162 2.1.3.2).

    Raises:
        VerificationError: the proof is malformed, or proves another root.
    """
    _bounded("size", size, 1, MAX_SIZE)
    _bounded("index", index, 0, size - 1)
    _check_hashes(proof, leaf_hash, root)
    node, last, result = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise VerificationError("the inclusion proof has too many hashes")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise VerificationError("the inclusion proof has too few hashes")
    if not compare_digest(result, root):
        raise VerificationError(f"the inclusion proof of index {index} does not lead to the root")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the tree of `size1` and `root1` is a prefix of that of `size2` and `root2` (RFC 9162 2.1.4.2).

    Raises:
        VerificationError: the proof is malformed or proves other roots, or `size1` is 0.
    """
    _bounded("second size", size2, 1, MAX_SIZE)
    _bounded("first size", size1, 1, size2)
    _check_hashes(proof, root1, root2)
    if size1 == size2:
        _require(not proof, "the consistency proof of equal sizes is not empty")
        _require(compare_digest(root1, root2), f"two different roots of the same size {size1}")
        return
    _require(bool(proof), "the consistency proof is empty")
    node, last = size1 - 1, size2 - 1
    hashes = list(proof)
    if size1 & (size1 - 1) == 0:
        hashes.insert(0, root1)
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        _require(last != 0, "the consistency proof has too many hashes")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    _require(last == 0, "the consistency proof has too few hashes")
    _require(compare_digest(first, root1), f"the consistency proof does not lead to the root of size {size1}")
    _require(compare_digest(second, root2), f"the consistency proof does not lead to the root of size {size2}")


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise VerificationError(message)


def _bounded(what: str, value: int, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise VerificationError(f"the {what} `{value!r:.40}` is not an integer from {low} to {high}")
    return value


def _check_hashes(proof: Sequence[bytes], *others: bytes) -> None:
    if not isinstance(proof, list | tuple) or len(proof) > MAX_PROOF_HASHES:
        raise VerificationError(f"a proof is a list of at most {MAX_PROOF_HASHES} hashes")
    for value in (*proof, *others):
        if not isinstance(value, bytes) or len(value) != HASH_BYTES:
            raise VerificationError(f"a hash has {HASH_BYTES} bytes")
