"""Tiles and entry bundles (C2SP tlog-tiles): paths, bytes, and which of them a log has. Pure, and strict when it reads.

A tile holds up to 256 consecutive hashes of one level of the tree: leaf hashes at level 0, and at each level above
the roots of the full tiles below. A bundle holds the entries of the tile of level 0 with the same index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from policy_audit.errors import VerificationError
from policy_audit.merkle import HASH_BYTES, MAX_SIZE

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES
MAX_LEVEL = 63
MAX_INDEX = MAX_SIZE // WIDTH
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = WIDTH * (2 + MAX_ENTRY_BYTES)
ENTRIES = -1
"""The level of bundles, which lie beside the tiles of level 0."""

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile (`level` 0 to 63) or a bundle (`level` ENTRIES): its index in the level, and how many it holds.

    INVARIANT: `path` and `parse_path` are each other's inverse; no file has two names.
    """

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _bounded("level", self.level, ENTRIES, MAX_LEVEL)
        _bounded("index", self.index, 0, MAX_INDEX)
        _bounded("width", self.width, 1, WIDTH)

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, with N in groups of three digits, all but the last with an `x` before."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        rest, last = divmod(self.index, 1000)
        groups = [f"{last:03}"]
        while rest:
            rest, group = divmod(rest, 1000)
            groups.append(f"x{group:03}")
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def full(self) -> Tile:
        """The same tile once it is full."""
        return Tile(self.level, self.index)


def parse_path(path: str) -> Tile:
    """Read the path of a tile or bundle, with `/` between its parts.

    Raises:
        VerificationError: it is not one, letter for letter: leading zeros, a width of 0 or above 255, a level above
            63, an index that no log below 2^63 has.
    """
    match = _PATH.fullmatch(path) if len(path) <= 64 else None
    if match is None:
        raise VerificationError(f"`{path[:80]}` is not the path of a tile")
    level, groups, width = match.groups()
    if groups.startswith("x000/"):
        raise VerificationError(f"the index in `{path}` has leading zeros")
    if width is not None and int(width) >= WIDTH:
        raise VerificationError(f"the width in `{path}` is not from 1 to {WIDTH - 1}")
    index = int(groups.replace("/", "").replace("x", ""))
    return Tile(ENTRIES if level == "entries" else int(level), index, int(width or WIDTH))


def width_in(level: int, index: int, size: int) -> int:
    """Return how many hashes (or entries) the tile at `index` of `level` holds in a log of `size`: 0 to 256."""
    _bounded("size", size, 0, MAX_SIZE)
    hashes = size >> (8 * max(level, 0))
    return max(0, min(WIDTH, hashes - index * WIDTH))


def tile_levels(size: int) -> int:
    """Return how many levels of tiles a log of `size` has: 0 where it is empty, 8 at most."""
    _bounded("size", size, 0, MAX_SIZE)
    return (size.bit_length() + 7) // 8


def tiles_at(level: int, size: int, start: int = 0) -> Iterator[Tile]:
    """Yield the tiles (or bundles) of `level` that a log of `size` has, in order from the index `start` on.

    The last one may be partial, and none is empty. Nothing is made before it is asked for: `size` may be a lie.
    """
    index = start
    while (width := width_in(level, index, size)) > 0:
        yield Tile(level, index, width)
        index += 1


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield all hash tiles that a log of `size` has, level by level."""
    for level in range(tile_levels(size)):
        yield from tiles_at(level, size)


def join_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return the bytes of the tile that holds `hashes`."""
    if not 1 <= len(hashes) <= WIDTH or any(len(value) != HASH_BYTES for value in hashes):
        raise VerificationError(f"a tile holds 1 to {WIDTH} hashes of {HASH_BYTES} bytes")
    return b"".join(hashes)


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile's bytes, of which there must be `width`."""
    _bounded("width", width, 1, WIDTH)
    if len(data) != width * HASH_BYTES:
        raise VerificationError(f"the tile has {len(data):,} bytes, not the {width * HASH_BYTES:,} of {width} hashes")
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 1, 2, 4, ... or 256 hashes: a full tile's is its hash in the level above."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise VerificationError(f"{len(hashes)} hashes have no perfect tree")
    row = list(hashes)
    while len(row) > 1:
        # `merkle.node_hash`, in place: verifying a log spends its time here
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of the bundle that holds `entries`: each after its length, 16 bits, big-endian."""
    if not 1 <= len(entries) <= WIDTH:
        raise VerificationError(f"a bundle holds 1 to {WIDTH} entries")
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise VerificationError(f"an entry of {len(entry):,} bytes does not fit into a bundle")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> list[bytes]:
    """Return the entries of a bundle's bytes, of which there must be `count`.

    Raises:
        VerificationError: it is truncated, or holds fewer or more.
    """
    entries, problem = scan_bundle(data, count)
    if problem is not None:
        raise VerificationError(problem)
    return entries


def scan_bundle(data: bytes, count: int) -> tuple[list[bytes], str | None]:
    """Return as many entries as a bundle's bytes give, at most `count`, and what is wrong with it."""
    _bounded("count", count, 1, WIDTH)
    entries: list[bytes] = []
    place, end = 0, len(data)
    for number in range(count):
        if place == end:
            return entries, f"the bundle holds {number} entries, not {count}"
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > end or place > end:
            return entries, f"the bundle is cut off in its entry {number}"
        entries.append(data[start:place])
    if place != end:
        return entries, f"the bundle has {end - place:,} bytes more than its {count} entries"
    return entries, None


def _bounded(what: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise VerificationError(f"the tile's {what} `{value!r:.40}` is not an integer from {low} to {high}")
