"""The tree that tiles hold: built from leaf hashes, and asked for roots and proofs. Pure: tiles come by callback.

What `TiledTree` computes is as true as the tiles that it is given: a root is to be compared with a signed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from policy_audit.errors import VerificationError
from policy_audit.merkle import (
    HASH_BYTES,
    MAX_SIZE,
    Frontier,
    consistency_ranges,
    inclusion_ranges,
)
from policy_audit.tiles import (
    WIDTH,
    Tile,
    join_hashes,
    perfect_root,
    split_hashes,
    tile_levels,
    width_in,
)

ReadTile = Callable[[Tile], bytes]


class TileBuilder:
    """Tiles from leaf hashes, as they come; at most 255 hashes of each level are held.

    INVARIANT: `_rows[level]` are the hashes of the partial tile of `level` in a tree of `size`.
    """

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        """Start with the partial tiles of a tree of `size`, from level 0 up."""
        self._rows = [list(row) for row in rows]
        self.size = size
        widths = [size >> (8 * level) & 0xFF for level in range(tile_levels(size))]
        if [len(row) for row in self._rows] != widths:
            raise VerificationError(f"the partial tiles are not those of a tree of size {size}")

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Add a leaf hash; return the tiles that it fills, lowest first, each with its bytes."""
        if len(leaf) != HASH_BYTES:
            raise VerificationError(f"a hash has {HASH_BYTES} bytes")
        filled: list[tuple[Tile, bytes]] = []
        self.size += 1
        value, level = leaf, 0
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(value)
            if len(row) < WIDTH:
                return filled
            index = (self.size >> (8 * (level + 1))) - 1
            filled.append((Tile(level, index), join_hashes(row)))
            value = perfect_root(row)
            row.clear()
            level += 1

    def partial(self) -> Iterator[tuple[Tile, bytes]]:
        """Yield the partial tiles of the tree as it stands, lowest first, each with its bytes."""
        for level, row in enumerate(self._rows):
            if row:
                yield Tile(level, self.size >> (8 * (level + 1)), len(row)), join_hashes(row)

    def root(self) -> bytes:
        """Return the tree's root hash."""
        return rows_root(self.size, self._rows)


class TiledTree:
    """A tree of `size` whose tiles `read` returns; each call reads what it needs, a few tiles for each level.

    `read` is asked for tiles as wide as they are in this tree, and returns exactly their bytes, or raises.
    """

    def __init__(self, size: int, read: ReadTile) -> None:
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise VerificationError(f"the size `{size!r:.40}` is not an integer from 0 to {MAX_SIZE}")
        self.size = size
        self._read = read

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at `index`."""
        self._check(index + 1)
        return self._hashes(0, index, 1)[0]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves; of all where it is None."""
        size = self.size if size is None else size
        if size == 0:
            return Frontier().root()
        self._check(size)
        return self._range_root(0, size)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Prove that the leaf at `index` is in the tree of the first `size` leaves (RFC 9162 2.1.3.1)."""
        size = self.size if size is None else size
        self._check(size)
        return [self._range_root(start, end) for start, end in inclusion_ranges(index, size)]

    def consistency_proof(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Prove that the tree of `size1` leaves is a prefix of that of `size2` (RFC 9162 2.1.4.1).

        Raises:
            VerificationError: `size1` is 0, which proves nothing, or a size is beyond this tree's.
        """
        size2 = self.size if size2 is None else size2
        self._check(size2)
        return [self._range_root(start, end) for start, end in consistency_ranges(size1, size2)]

    def rows(self) -> list[list[bytes]]:
        """Return the hashes of the partial tiles, from level 0 up: what `TileBuilder` continues from."""
        rows = []
        for level in range(tile_levels(self.size)):
            end = self.size >> (8 * level)
            width = end % WIDTH
            rows.append(self._hashes(level, end - width, width) if width else [])
        return rows

    def _check(self, size: int) -> None:
        if type(size) is not int or not 1 <= size <= self.size:
            raise VerificationError(f"the size `{size!r:.40}` is not an integer from 1 to {self.size}")

    def _range_root(self, start: int, end: int) -> bytes:
        """Return the root of the leaves [start, end); `start` is aligned, as the splits of the tree are."""
        nodes, place = [], start
        for bit in range((end - start).bit_length() - 1, -1, -1):
            if (end - start) >> bit & 1:
                level, height = divmod(bit, 8)
                nodes.append(perfect_root(self._hashes(level, place >> (8 * level), 1 << height)))
                place += 1 << bit
        return Frontier(end - start, nodes).root()

    def _hashes(self, level: int, start: int, count: int) -> list[bytes]:
        """Return `count` hashes of `level`, which lie in one tile."""
        index, offset = divmod(start, WIDTH)
        tile = Tile(level, index, width_in(level, index, self.size))
        return split_hashes(self._read(tile), tile.width)[offset : offset + count]


def rows_root(size: int, rows: Sequence[Sequence[bytes]]) -> bytes:
    """Return the root of a tree of `size` from the hashes of its partial tiles, from level 0 up.

    The digits of the size to the base 256 are the widths: each level's hashes are roots of perfect trees side by side.
    """
    nodes: list[bytes] = []
    for row in reversed(rows):
        starts = [0]
        for bit in range(7, -1, -1):
            if len(row) >> bit & 1:
                starts.append(starts[-1] + (1 << bit))
        nodes += [perfect_root(row[start:end]) for start, end in pairwise(starts)]
    return Frontier(size, nodes).root()
