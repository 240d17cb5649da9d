"""Whatever is changed in an exported folder is found, or lies outside of what is covered and is named as such."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit.folder_check import document_path
from policy_audit.folder_report import FolderReport

from tests.property.mutations import mutated_bytes
from tests.unit.audit.folders import opaque, own, put, verified, write

DOCUMENTS = [b"document %d" % number for number in range(3)]


def digest(content: bytes) -> str:
    from policy_audit.entry import Blob

    return Blob(content).digest


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 530 entries, of ours and others, with documents, and what an export of 270 left behind."""
    folder = tmp_path_factory.mktemp("log")
    entries = [own(number, DOCUMENTS[number % 4 :]) for number in range(265)] + opaque(265)
    write(folder, entries[:270])
    write(folder, entries)
    for content in DOCUMENTS:
        put(folder, document_path(digest(content)), content)
    report = verified(folder, strict=True, documents=True)
    assert report.ok, list(report.lines())
    return folder


def files(log: Path) -> list[str]:
    return sorted(str(path.relative_to(log)) for path in log.rglob("*") if path.is_file())


def check(log: Path, path: str, data: bytes | None) -> FolderReport:
    """Verify with the file at `path` replaced, or taken away; then put it back."""
    kept = (log / path).read_bytes()
    try:
        if data is None:
            (log / path).unlink()
        else:
            (log / path).write_bytes(data)
        return verified(log, documents=True)
    finally:
        (log / path).write_bytes(kept)


def is_needed(path: str) -> bool:
    """Tell whether the checkpoint needs the file; partial tiles of older checkpoints may be there or not."""
    return path not in ("tile/0/001.p/14", "tile/entries/001.p/14", "tile/1/000.p/1")


def test_every_bit_counts_in_every_kind_of_file(log: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - which bytes are tried
    for path in files(log):
        data = (log / path).read_bytes()
        places = {0, 1, 2, len(data) // 2, len(data) - 1, *(chance.randrange(len(data)) for _ in range(3))}
        for place in (each for each in places if each < len(data)):
            for bit in range(8) if place == 0 else (chance.randrange(8),):
                changed = bytearray(data)
                changed[place] ^= 1 << bit
                assert not check(log, path, bytes(changed)).ok, (path, place, bit)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_change_of_a_file_is_found(log: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(log)))
    kept = (log / path).read_bytes()
    changed = data.draw(mutated_bytes(kept) | st.integers(0, len(kept)).map(lambda end: kept[:end]))
    report = check(log, path, changed)
    assert report.ok is (changed == kept), (path, len(kept))


def test_any_file_that_is_gone_is_found(log: Path) -> None:
    for path in files(log):
        assert check(log, path, None).ok is not is_needed(path), path


def test_files_that_change_places_are_found(log: Path) -> None:
    paths = [path for path in files(log) if path != "checkpoint"]
    for one in paths:
        for other in paths:
            if one != other:
                assert not check(log, one, (log / other).read_bytes()).ok, (one, other)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_file_more_is_reported(log: Path, data: st.DataObject) -> None:
    names = st.sampled_from(
        ["tile", "entries", "0", "1", "2", "000", "002", "x001", "000.p", "blob", "7", "checkpoint.new"]
    )
    path = "/".join(data.draw(st.lists(names, min_size=1, max_size=4)))
    target = log / path
    if target.exists() or any(parent.is_file() for parent in target.parents):
        return
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        put(log, path, data.draw(st.binary(max_size=70)))
        report = verified(log)
        assert not report.ok or report.uncovered_files == [path]
        assert not verified(log, strict=True).ok
    finally:
        target.unlink()
        for folder in made:
            os.rmdir(folder)


def test_nothing_but_a_report_comes_of_rubbish(log: Path, tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311 - rubbish
    for number in range(30):
        copy = Path(shutil.copytree(log, tmp_path / str(number)))
        for path in chance.sample(files(copy), 4):
            size = chance.choice([0, 1, 31, 32, 8192, 8193, 70_000])
            (copy / path).write_bytes(chance.randbytes(size))
        assert list(verified(copy, documents=True).lines())
