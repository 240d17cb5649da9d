"""Tiles that are served out of the database are those of the folder that is exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.asking import ask_one
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger, prepare_draft
from policy_audit.served_tiles import ServedTiles, tiles_of
from policy_audit.tiled_tree import TileBuilder
from policy_audit.tiles import MAX_INDEX, Tile, perfect_root, split_hashes

from tests.integration.tampering import in_file_alone
from tests.stores import Store

HOLD = prepare_draft(Draft(EntryType.HOLD))
#: Sizes, and how many entries the commits up to each have.
SIZES = ((0, 1), (1, 1), (255, 100), (256, 1), (257, 1), (512, 16), (700, 16))


def grow(ledger: Ledger, size: int, each: int) -> None:
    have = next((entry.index + 1 for entry in ledger.list_entries(limit=1)), 0)
    while have < size:
        have = ledger.append_many([HOLD] * min(each, size - have))[-1].index + 1


def exported(ledger: Ledger, folder: Path) -> dict[str, bytes]:
    ledger.export_log(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(served: ServedTiles, files: dict[str, bytes]) -> None:
    assert served.checkpoint == files.pop("checkpoint")
    for path, data in files.items():
        assert served.tile(path) == data, path


def test_they_are_the_exported_ones_at_every_size(store: Store, tmp_path: Path) -> None:
    with store.open() as ledger:
        served = tiles_of(ledger)
        for size, each in SIZES:
            grow(ledger, size, each)
            assert_same(served, exported(ledger, tmp_path / str(size)))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """65,535 entries: in commits of 1,000, and at the end of one."""
    with open_ledger(f"sqlite:///{tmp_path_factory.mktemp('large')}/ledger.db") as ledger:
        grow(ledger, 65_530, 1000)
        grow(ledger, 65_535, 1)
        yield ledger


def test_they_are_where_a_level_begins(large: Ledger, tmp_path: Path) -> None:
    """By the builder of tiles at each size, and by an export at the last."""
    served, builder = tiles_of(large), TileBuilder()
    files: dict[str, bytes] = {}
    for size in (65_535, 65_536, 65_537):
        grow(large, size, 1)
        with large.snapshot() as connection:
            rows = ask_one(connection, "SELECT leaf_hash FROM log_entry WHERE leaf_index >= ?", builder.size)
        files |= {tile.path: data for (leaf,) in rows for tile, data in builder.append(leaf)}
        partial = {tile.path: data for tile, data in builder.partial()}
        for path in ("tile/0/000", "tile/0/255", "tile/0/256", "tile/1/000", "tile/1/001", "tile/2/000", *partial):
            if path in files or path in partial:
                assert served.tile(path) == files.get(path, partial.get(path)), (size, path)
            else:
                with pytest.raises(LedgerError):
                    served.tile(path)
    assert served.tile("tile/2/000.p/1") == perfect_root(split_hashes(files["tile/1/000"], 256))
    with open_ledger("sqlite:///:memory:") as other:
        grow(other, 65_536, 65_536)
        served.ledger = other  # as where another history was restored under a server
        assert served.tile("tile/1/000") == tiles_of(other).tile("tile/1/000") != files["tile/1/000"]


MISSING = (
    *("tile/0/002", "tile/0/002.p/189", "tile/0/003.p/1", "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1"),
    *("tile/entries/002", "tile/entries/002.p/189", "tile/entries/003.p/1", "tile/63/000", "tile/64/000"),
    *(
        "tile/0/x000/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
    ),
    *(
        "",
        "tile",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/../0/000",
        "tile/0/000?",
        "tile/0/000\n",
        "tile/-1/000",
        "checkpoint",
    ),
    *("tile/0/\u0660\u0660\u0660", "tile/entries/x001/x234/067", Tile(0, MAX_INDEX).path, "x" * 10_000),
)


def test_what_the_tree_does_not_have_is_missing(store: Store) -> None:
    with store.open() as ledger:
        grow(ledger, 700, 100)
        served = tiles_of(ledger)
        for path in MISSING:
            with pytest.raises(LedgerError) as caught:
                served.tile(path)
            assert caught.value.code == "tile-missing", path
        whole = served.tile("tile/0/002.p/188")
        assert served.tile("tile/0/002.p/187") == whole[: 187 * 32], "a tree of before has it"
        assert served.tile("tile/0/001.p/3") == served.tile("tile/0/001")[: 3 * 32]


@in_file_alone
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("UPDATE log_entry SET entry = X'00' WHERE leaf_index = 3", "tile/entries/000"),
        ("UPDATE log_entry SET leaf_hash = X'00' WHERE leaf_index = 3", "tile/0/000"),
        ("DELETE FROM log_entry WHERE leaf_index = 3", "tile/entries/000"),
        ("DELETE FROM log_entry WHERE leaf_index = 254", "tile/1/000.p/1"),
        ("UPDATE log_checkpoint SET frontier = zeroblob(40) WHERE size = 251", "tile/1/000.p/1"),
        ("UPDATE log_checkpoint SET frontier = 5 WHERE size = 251", "tile/1/000.p/1"),
        (f"UPDATE log_checkpoint SET frontier = X'{251:016x}{'00' * 224}' WHERE size = 251", "tile/1/000.p/1"),
    ],
)
def test_what_was_changed_is_not_served(filled: Store, change: str, path: str) -> None:
    with filled.open() as ledger:
        grow(ledger, 300, 20)
        tiles_of(ledger).tile(path)
        with filled.administrator() as connection:
            connection.execute(change)
        with pytest.raises(VerificationError):
            tiles_of(ledger).tile(path)
