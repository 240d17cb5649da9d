"""Several processes and threads on one ledger, and processes that are killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from policy_audit.database import connect, locate, use_write_ahead_log
from policy_audit.errors import LedgerError, SigningKeyError
from policy_audit.ledger import Draft, EntryType, Ledger, Recorded, open_ledger

from tests.integration.tampering import decision
from tests.integration.writers import Writer
from tests.stores import SQLITE, Store, sqlite_store

TAGS = {"rule": ["a-rule", "b-rule"], "model": ["gpt-4o"]}


def test_processes_append_to_a_ledger_that_none_of_them_has_begun(store: Store) -> None:
    names = ("a", "b", "c", "d")
    writers = [Writer(store, name, 25) for name in names]
    told = [writer.told() for writer in writers]
    assert [writer.process.exitcode for writer in writers] == [0] * 4
    assert sum("created\n" in writer.lines for writer in writers) == 1
    assert sorted(index for part in told for index in part) == list(range(100))
    with store.open() as ledger:
        stored = {entry.index: entry.leaf_hash for entry in ledger.list_entries()}
        assert stored == {index: leaf for part in told for index, leaf in part.items()}
        for name, part in zip(names, told, strict=True):
            bodies = [ledger.entry(index).document["body"] for index in sorted(part)]
            assert bodies == [{"by": name, "n": number, "part": 0} for number in range(25)]
        report = ledger.verify()
        assert report.ok, report.problems


def test_a_writer_in_a_file_that_keeps_no_log_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE alembic_version (version_num TEXT)")  # as who makes a ledger begins
    writer.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, writer.execute, ["ROLLBACK"])
    release.start()
    database = connect(locate(f"sqlite:///{path}"))
    try:
        use_write_ahead_log(database)
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    finally:
        database.close()
        release.join()
        writer.close()


@pytest.mark.parametrize("memory", [False, True])
def test_threads_share_a_ledger(store: Store, memory: bool) -> None:
    def work(name: int) -> list[int]:
        indexes = []
        for number in range(20):
            indexes.append(ledger.append(Draft(EntryType.HOLD, body={"by": name, "n": number})).index)
            assert ledger.entry(indexes[-1]).document["body"] == {"by": name, "n": number}
        return indexes

    with open_ledger("sqlite:///:memory:") if memory else store.open() as ledger:
        with ThreadPoolExecutor(8) as pool:
            indexes = [index for part in pool.map(work, range(8)) for index in part]
        assert sorted(indexes) == list(range(160))
        assert ledger.verify().ok


FORKED = """
import os, sys
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Ledger, Recorded, open_ledger
with open_ledger(sys.argv[1], key_path=sys.argv[2]) as ledger:
    ledger.append(Draft(EntryType.HOLD))
    child = os.fork()
    if not child:
        for ask in (lambda: ledger.append(Draft(EntryType.HOLD)), ledger.verify, lambda: ledger.entry(0)):
            try:
                ask()
            except LedgerError as error:
                print(error.code, flush=True)
        with open_ledger(sys.argv[1], key_path=sys.argv[2]) as own:
            print(own.append(Draft(EntryType.HOLD)).index, flush=True)
    else:
        assert os.waitpid(child, 0)[1] == 0
        print(ledger.append(Draft(EntryType.HOLD)).index, ledger.verify().ok)
"""


@contextmanager
def nobody_commits(store: Store) -> Iterator[None]:
    """Hold the lock that appending takes."""
    with store.connection() as connection:
        connection.execute("BEGIN IMMEDIATE" if store.kind == SQLITE else "SELECT policy_audit_lock_head()")
        yield


def sixteen_at_once(store: Store, ledger: Ledger, drafts: Sequence[Draft]) -> list[Recorded | LedgerError]:
    """Append each draft in a thread of its own; all but one wait when the first gets the lock."""

    def work(draft: Draft) -> Recorded | LedgerError:
        try:
            return ledger.append(draft)
        except LedgerError as error:
            return error

    with ThreadPoolExecutor(len(drafts)) as pool:
        with nobody_commits(store):
            futures = [pool.submit(work, draft) for draft in drafts]
            while len(ledger._commits._waiting) < len(drafts) - 1:
                assert not any(future.done() for future in futures)
                time.sleep(0.002)
        return [future.result() for future in futures]


def sizes(store: Store) -> list[int]:
    with store.connection() as connection:
        return [row[0] for row in connection.execute("SELECT size FROM log_checkpoint ORDER BY size")]


def test_sixteen_threads_share_two_commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_audit.database.BUSY_SECONDS", 60.0)
    with store.open() as ledger:
        found = sixteen_at_once(store, ledger, [replace(decision(number), tags=TAGS) for number in range(16)])
        by_index = {each.index: each for each in found if isinstance(each, Recorded)}
        assert sorted(by_index) == list(range(16))
        assert {each.tree_size for each in by_index.values()} == {1, 16}
        for number, each in enumerate(found):
            assert isinstance(each, Recorded)
            entry = ledger.entry(each.index)
            assert (entry.document["body"], entry.leaf_hash) == ({"n": number}, each.leaf_hash), "everybody's own"
        report = ledger.verify()
        assert report.ok, report.problems
    assert sizes(store) == [0, 1, 16]


def test_what_a_server_refuses_to_one_thread_is_recorded_for_the_others(
    server_database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policy_audit.database.BUSY_SECONDS", 60.0)
    chance = random.Random(1)  # noqa: S311
    long = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(9000))  # for an index, and not for an entry
    bad = replace(decision(99), view={**decision(99).view, "workload": long})
    with server_database.open() as ledger:
        found = sixteen_at_once(server_database, ledger, [*map(decision, range(7)), bad, *map(decision, range(7, 15))])
        assert [number for number, each in enumerate(found) if isinstance(each, LedgerError)] == [7]
        assert sorted(each.index for each in found if isinstance(each, Recorded)) == list(range(15))
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.entries == 15


def test_a_forked_process_does_not_share_connections(store: Store) -> None:
    command = [sys.executable, "-c", FORKED, store.url, str(store.key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["ledger-forked"] * 3 + ["1", "2", "True"]
    with store.open() as ledger:
        assert ledger.verify().entries == 3


MIGRATED = "UPDATE alembic_version SET version_num = '9999'"


def test_a_writer_stops_when_its_ledger_is_migrated(store: Store) -> None:
    with store.open() as ledger:
        ledger.append(Draft(EntryType.HOLD))
        with store.connection() as connection:
            connection.execute(MIGRATED)
        with pytest.raises(LedgerError) as caught:
            ledger.append(Draft(EntryType.HOLD))
        assert caught.value.code == "ledger-newer"
        assert len(ledger.list_entries()) == 1


@pytest.mark.parametrize("after", [0.01, 0.03, 0.06, 0.1])
def test_a_creation_that_is_killed_leaves_a_ledger_or_a_refusal_with_help(tmp_path: Path, after: float) -> None:
    store = sqlite_store(tmp_path)
    writer = Writer(store, "killed", 1)
    time.sleep(after)
    writer.kill()
    writer.told()
    try:
        ledger = store.open()
    except SigningKeyError as error:
        assert error.code == "ledger-gone"  # noqa: PT017
    else:
        assert ledger.verify().ok
        ledger.close()
