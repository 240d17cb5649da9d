"""Tiles and bundles, letter for letter: the examples of C2SP tlog-tiles, and what is no tile."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from policy_audit.errors import VerificationError
from policy_audit.tiled_tree import TileBuilder, TiledTree
from policy_audit.tiles import (
    ENTRIES,
    MAX_ENTRY_BYTES,
    MAX_INDEX,
    Tile,
    decode_bundle,
    encode_bundle,
    join_hashes,
    parse_path,
    perfect_root,
    split_hashes,
    tile_levels,
    tiles_at,
    tiles_of,
    width_in,
)

HASH = bytes(range(32))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
        (Tile(5, 123456078, 2), "tile/5/x123/x456/078.p/2"),
        (Tile(0, 3057500), "tile/0/x003/x057/500"),
        (Tile(ENTRIES, 3057500), "tile/entries/x003/x057/500"),
        (Tile(ENTRIES, 1000, 255), "tile/entries/x001/000.p/255"),
        (Tile(0, MAX_INDEX), "tile/0/x036/x028/x797/x018/x963/967"),
    ],
)
def test_paths_as_published(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x1/000",
        "tile/0/X001/000",
        "tile/0/٠٠٠",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/-1",
        "tile/0/000.p/1/2",
        "tile/0/000.p\\1",
        "tile/0/../0/000",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x999/" * 100_000 + "999",
    ],
    ids=lambda path: repr(path[:40]),
)
def test_what_is_no_path_of_a_tile(path: str) -> None:
    with pytest.raises(VerificationError):
        parse_path(path)


@pytest.mark.parametrize(
    "arguments",
    [
        (-2, 0),
        (64, 0),
        (0, -1),
        (0, MAX_INDEX + 1),
        (0, 0, 0),
        (0, 0, 257),
        (True, 0),
        (0, 1.0),
        (0, "0"),
        (0, 0, None),
    ],
)
def test_what_is_no_tile(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(VerificationError):
        Tile(*arguments)


def test_the_tiles_of_the_published_sizes() -> None:
    tiles = list(tiles_of(70_000))
    assert [len([t for t in tiles if t.level == level and t.width == 256]) for level in range(3)] == [273, 1, 0]
    assert [t for t in tiles if t.width < 256] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert list(tiles_at(ENTRIES, 257)) == [Tile(ENTRIES, 0), Tile(ENTRIES, 1, 1)]


def test_a_size_that_lies_costs_nothing() -> None:
    size = 2**63 - 1
    assert tile_levels(size) == 8
    assert next(islice(tiles_at(0, size), 1000, None)) == Tile(0, 1000)
    assert width_in(7, 0, size) == 127
    assert width_in(8, 0, size) == 0
    for wrong in (-1, 2**63, 1.5, None, True):
        with pytest.raises(VerificationError):
            width_in(0, 0, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "count", "reason"),
    [
        (b"", 1, "holds 0 entries, not 1"),
        (b"\x00", 1, "cut off in its entry 0"),
        (b"\x00\x01", 1, "cut off in its entry 0"),
        (b"\x00\x01a\x00", 2, "cut off in its entry 1"),
        (b"\x00\x01a", 2, "holds 1 entries, not 2"),
        (b"\x00\x01a\x00\x00", 1, "2 bytes more"),
        (b"\x01\x00a", 1, "cut off"),
        (b"\x00\x00", 0, "count"),
        (b"\x00\x00", 257, "count"),
        (b"\x00\x00", True, "count"),
    ],
)
def test_malformed_bundles_are_refused_with_the_reason(data: bytes, count: int, reason: str) -> None:
    with pytest.raises(VerificationError, match=reason):
        decode_bundle(data, count)


def test_bundles_hold_the_largest_and_the_empty_entry() -> None:
    entries = [b"", b"x" * MAX_ENTRY_BYTES, b"\x00\x01"]
    data = encode_bundle(entries)
    assert data[:4] == b"\x00\x00\xff\xff"
    assert decode_bundle(data, 3) == entries
    for wrong in ([], [b""] * 257, [b"x" * (MAX_ENTRY_BYTES + 1)]):
        with pytest.raises(VerificationError):
            encode_bundle(wrong)


def test_tiles_of_another_length_are_refused() -> None:
    assert split_hashes(join_hashes([HASH, HASH]), 2) == [HASH, HASH]
    for data, width in ((HASH, 2), (HASH + b"x", 1), (HASH[:31], 1), (b"", 1), (b"", 0), (HASH * 257, 257)):
        with pytest.raises(VerificationError):
            split_hashes(data, width)
    for hashes in ([], [HASH] * 257, [HASH[:31]]):
        with pytest.raises(VerificationError):
            join_hashes(hashes)
    for hashes in ([], [HASH] * 3):
        with pytest.raises(VerificationError):
            perfect_root(hashes)


def test_a_reader_that_lies_about_its_tiles_is_refused() -> None:
    tree = TiledTree(300, lambda tile: HASH * (tile.width - 1))
    for ask in (tree.root, tree.rows, lambda: tree.leaf(3), lambda: tree.inclusion_proof(3)):
        with pytest.raises(VerificationError, match="bytes"):
            ask()


@pytest.mark.parametrize("size", [-1, 2**63, 1.0, True, None])
def test_sizes_that_no_tree_has(size: Any) -> None:
    with pytest.raises(VerificationError):
        TiledTree(size, lambda tile: b"")


def test_what_a_tree_does_not_have_is_refused() -> None:
    builder = TileBuilder()
    builder.append(HASH)
    tree = TiledTree(1, dict(builder.partial()).__getitem__)
    assert tree.leaf(0) == tree.root() == HASH
    for ask in (
        lambda: tree.leaf(1),
        lambda: tree.leaf(-1),
        lambda: tree.root(2),
        lambda: tree.inclusion_proof(1),
        lambda: tree.consistency_proof(0),
        lambda: tree.consistency_proof(1, 2),
    ):
        with pytest.raises(VerificationError):
            ask()
    for size, rows in ((1, []), (0, [[HASH]]), (256, [[]]), (2, [[HASH]])):
        with pytest.raises(VerificationError):
            TileBuilder(size, rows)
    with pytest.raises(VerificationError):
        builder.append(HASH[:31])
