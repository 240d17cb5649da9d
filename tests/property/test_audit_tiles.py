"""The laws of tiles: they give what the leaves give, paths and bundles go there and back, and no parser falls over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit.errors import VerificationError
from policy_audit.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from policy_audit.tiled_tree import TileBuilder, TiledTree
from policy_audit.tiles import (
    ENTRIES,
    MAX_INDEX,
    MAX_LEVEL,
    Tile,
    decode_bundle,
    encode_bundle,
    parse_path,
    scan_bundle,
    split_hashes,
    tiles_of,
)

from tests.property.mutations import mutated

MOST = 66_000
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(MOST)]
#: Sizes around every border: 1, 256, 2 * 256, 65,536, and anywhere else.
SIZES = st.sampled_from([1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537]) | st.integers(1, 3000)
TILES = st.builds(Tile, st.integers(ENTRIES, MAX_LEVEL), st.integers(0, MAX_INDEX), st.integers(1, 256))


def _build(size: int) -> tuple[TileBuilder, dict[Tile, bytes]]:
    builder, tiles = TileBuilder(), dict[Tile, bytes]()
    for leaf in LEAVES[:size]:
        tiles.update(builder.append(leaf))
    return builder, {**tiles, **dict(builder.partial())}


@settings(deadline=None)
@given(SIZES)
def test_tiles_are_those_of_the_size_and_give_the_root(size: int) -> None:
    builder, tiles = _build(size)
    assert tiles.keys() == set(tiles_of(size))
    root = root_hash(LEAVES[:size])
    assert builder.root() == root
    assert TiledTree(size, tiles.__getitem__).root() == root


@settings(deadline=None)
@given(st.data(), SIZES)
def test_tiles_give_the_proofs_that_the_leaves_give(data: st.DataObject, size: int) -> None:
    _, tiles = _build(size)
    tree = TiledTree(size, tiles.__getitem__)
    inner = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, inner - 1))
    assert tree.root(inner) == root_hash(LEAVES[:inner])
    proof = tree.inclusion_proof(index, inner)
    assert proof == inclusion_proof(LEAVES, index, inner)
    verify_inclusion(index, inner, tree.leaf(index), proof, tree.root(inner))
    steps = tree.consistency_proof(inner)
    assert steps == consistency_proof(LEAVES, inner, size)
    verify_consistency(inner, size, tree.root(inner), tree.root(), steps)


def test_every_pair_of_sizes_up_to_forty_is_consistent_and_every_index_proved() -> None:
    roots = [root_hash(LEAVES[:size]) for size in range(41)]
    for size in range(1, 41):
        tree = TiledTree(size, _build(size)[1].__getitem__)
        for inner in range(1, size + 1):
            verify_consistency(inner, size, roots[inner], roots[size], tree.consistency_proof(inner))
            verify_inclusion(inner - 1, size, LEAVES[inner - 1], tree.inclusion_proof(inner - 1), roots[size])
            if inner > 1:
                with pytest.raises(VerificationError):
                    verify_inclusion(inner - 2, size, LEAVES[inner - 1], tree.inclusion_proof(inner - 1), roots[size])


@settings(deadline=None)
@given(SIZES, st.integers(0, 600))
def test_a_builder_continues_where_tiles_end(size: int, more: int) -> None:
    _, tiles = _build(size)
    again = TileBuilder(size, TiledTree(size, tiles.__getitem__).rows())
    added = dict[Tile, bytes]()
    for leaf in LEAVES[size : size + more]:
        added.update(again.append(leaf))
    end = min(MOST, size + more)
    assert again.root() == root_hash(LEAVES[:end])
    both = {**tiles, **added, **dict(again.partial())}
    assert all(both[tile] == data for tile, data in _build(end)[1].items())


@given(TILES)
def test_a_path_goes_there_and_back(tile: Tile) -> None:
    assert parse_path(tile.path) == tile


@given(st.data(), TILES)
def test_a_changed_path_is_another_tile_or_refused(data: st.DataObject, tile: Tile) -> None:
    path = data.draw(mutated(tile.path, "0123456789x/.pentries-"))
    try:
        found = parse_path(path)
    except VerificationError:
        return
    assert found.path == path


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_a_bundle_goes_there_and_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@given(st.binary(max_size=600), st.integers(1, 256))
def test_any_bytes_are_a_bundle_of_one_reading_or_refused(data: bytes, count: int) -> None:
    entries, problem = scan_bundle(data, count)
    assert (problem is None) == (len(entries) == count and encode_bundle(entries) == data)
    if entries:
        assert data.startswith(encode_bundle(entries))


@given(st.binary(max_size=100), st.integers(-1, 300))
def test_any_bytes_are_a_tile_of_one_reading_or_refused(data: bytes, width: int) -> None:
    try:
        assert b"".join(split_hashes(data, width)) == data
    except VerificationError:
        assert len(data) != 32 * width or width == 0
