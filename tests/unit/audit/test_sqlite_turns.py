"""SQLite's one writer: who waits is let in soon, and a lock that is kept is told after a while."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest
from policy_audit import database as databases
from policy_audit import sqlite_turns
from policy_audit.database import connect, locate
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError
from policy_audit.ledger import open_ledger
from sqlalchemy import text


def test_who_waits_is_let_in_soon_after_the_lock_is_free(tmp_path: Path) -> None:
    """SQLite alone would look again 78 ms after this lock is given back."""
    path = tmp_path / "ledger.db"
    late = []
    with open_ledger(f"sqlite:///{path}") as opened, closing(_plain(path)) as other:
        for _ in range(5):
            other.execute("BEGIN IMMEDIATE")
            freed: list[float] = []

            def free(freed: list[float] = freed) -> None:
                other.execute("ROLLBACK")
                freed.append(time.perf_counter())

            threading.Timer(0.25, free).start()
            opened.append(Draft(EntryType.HEARTBEAT))
            late.append(time.perf_counter() - freed[0])
    assert median(late) < 0.06, late


def _plain(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def test_a_lock_that_is_kept_is_told_and_the_next_writer_waits_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as opened:
        monkeypatch.setattr(databases, "BUSY_SECONDS", 0.3)
        other = _plain(path)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LedgerError) as caught:
            opened.append(Draft(EntryType.HEARTBEAT))
        assert caught.value.code == "ledger-locked"
        assert 0.2 < time.monotonic() - began < 5
        other.execute("ROLLBACK")
        other.close()
        assert opened.append(Draft(EntryType.HEARTBEAT)).index == 0


def test_what_is_no_lock_is_told_at_once_and_the_connection_waits_as_long_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}"):
        pass
    database = connect(locate(f"sqlite:///{path}"))
    slept: list[float] = []
    monkeypatch.setattr(sqlite_turns.time, "sleep", slept.append)
    try:
        with database.write() as connection:
            assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 10_000
            with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
                sqlite_turns._begun(connection.connection.driver_connection, last=False)
        assert not slept
    finally:
        database.close()
