"""A SQLite ledger whose files are deleted, moved or replaced under who has it open: nothing more is acknowledged."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger

NOTE = Draft(EntryType.HEARTBEAT, body={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place" / "l.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{path}") as opened:
        opened.append(NOTE)
        yield opened


def refused(ledger: Ledger, code: str) -> None:
    for ask in (lambda: ledger.append(NOTE), ledger.checkpoint, ledger.check_schema):
        with pytest.raises(LedgerError) as caught:
            ask()
        assert caught.value.code == code


def test_one_whose_file_is_gone_takes_nothing_until_it_is_back(ledger: Ledger, path: Path) -> None:
    away = path.with_name("away")
    path.rename(away)
    refused(ledger, "ledger-gone")
    away.rename(path)
    assert ledger.append(NOTE).index == 1


def test_one_whose_folder_is_gone_takes_nothing(ledger: Ledger, path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))
    refused(ledger, "ledger-gone")


def test_one_whose_file_is_another_takes_nothing(ledger: Ledger, path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)
    refused(ledger, "ledger-replaced")


@pytest.mark.parametrize("anew", [False, True])
def test_one_whose_write_ahead_log_is_gone_takes_nothing(ledger: Ledger, path: Path, anew: bool) -> None:
    log = path.with_name("l.db-wal")
    log.rename(log.with_name("kept"))  # its inode must not be given to the next one
    if anew:
        log.touch()
    refused(ledger, "ledger-replaced")


def test_a_new_connection_finds_the_file_of_those_before_it(ledger: Ledger, path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    with ledger.snapshot():  # keeps the connection that there is
        copy.replace(path)
        refused(ledger, "ledger-replaced")


def test_opening_it_twice_in_a_process_leaves_it_its_write_ahead_log(ledger: Ledger, path: Path) -> None:
    open_ledger(f"sqlite:///{path}").close()
    other = f"from policy_audit.ledger import open_ledger; open_ledger('sqlite:///{path}').append_many([])"
    subprocess.run([sys.executable, "-c", other], check=True)
    assert path.with_name("l.db-wal").exists()
    assert ledger.append(NOTE).index == 1


@pytest.mark.parametrize("there", ["folder", "file", "nothing"])
def test_none_is_made_where_none_is_to_be(tmp_path: Path, there: str) -> None:
    path = tmp_path / "place" / "l.db"
    if there != "nothing":
        path.parent.mkdir()
    if there == "file":
        path.touch()
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"sqlite:///{path}", create=False)
    assert caught.value.code == "ledger-missing"
    assert [each.name for each in tmp_path.rglob("l.db*")] == (["l.db"] if there == "file" else [])
    assert path.parent.exists() == (there != "nothing")
    assert there != "file" or path.stat().st_size == 0
