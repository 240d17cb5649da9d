"""Several processes and threads on one ledger, and processes that are killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from policy_audit.database import connect, locate, use_write_ahead_log
from policy_audit.errors import SigningKeyError
from policy_audit.ledger import Draft, EntryType, open_ledger

APPEND = """
import sys
from policy_audit.errors import SigningKeyError
from policy_audit.ledger import Draft, EntryType, open_ledger
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open_ledger(url) as ledger:
    if ledger.created_verifier_key:
        print("created", flush=True)
    for number in range(count):
        recorded = ledger.append(Draft(EntryType.HOLD, body={"by": name, "n": number}, blobs={"same": b"same"}))
        print(recorded.index, recorded.leaf_hash, flush=True)
"""


def start(url: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPEND, url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledged(output: str) -> dict[int, str]:
    """Return the leaf hashes by index that a process was told; a line that the kill cut short was not told."""
    lines = (line.split() for line in output.splitlines(keepends=True) if line.endswith("\n"))
    return {int(words[0]): words[1] for words in lines if words != ["created"]}


def test_two_processes_append_to_a_ledger_that_neither_has_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    processes = [start(url, name, 200) for name in ("a", "b")]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("created" in output for output in outputs) == 1
    first, second = map(acknowledged, outputs)
    assert sorted([*first, *second]) == list(range(400))
    with open_ledger(url) as ledger:
        told = first | second
        assert {entry.index: entry.leaf_hash for entry in ledger.list_entries()} == told
        for name, indexes in (("a", first), ("b", second)):
            bodies = [ledger.entry(index).document["body"] for index in sorted(indexes)]
            assert bodies == [{"by": name, "n": number} for number in range(200)]
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


@pytest.mark.parametrize("url", ["sqlite:///{}/ledger.db", "sqlite:///:memory:"])
def test_threads_share_a_ledger(url: str, tmp_path: Path) -> None:
    def work(name: int) -> list[int]:
        indexes = []
        for number in range(20):
            indexes.append(ledger.append(Draft(EntryType.HOLD, body={"by": name, "n": number})).index)
            assert ledger.entry(indexes[-1]).document["body"] == {"by": name, "n": number}
        return indexes

    with open_ledger(url.format(tmp_path)) as ledger:
        with ThreadPoolExecutor(8) as pool:
            indexes = [index for part in pool.map(work, range(8)) for index in part]
        assert sorted(indexes) == list(range(160))
        assert ledger.verify().ok


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    told: dict[int, str] = {}
    for after in (0.02, 0.05, 0.09, 0.13):
        process = start(url, "killed", 100_000)
        assert process.stdout is not None
        output = process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        output += process.communicate(timeout=60)[0]
        assert process.returncode == -signal.SIGKILL
        told |= acknowledged(output)
        with open_ledger(url) as ledger:
            report = ledger.verify()
            assert report.ok, report.problems
            stored = {entry.index: entry.leaf_hash for entry in ledger.list_entries()}
            assert told.items() <= stored.items()
            recorded = ledger.append(Draft(EntryType.HOLD))
            assert recorded.index == len(stored)
            told[recorded.index] = recorded.leaf_hash
    assert len(told) > 8


@pytest.mark.parametrize("after", [0.3, 0.35, 0.4, 0.45])
def test_a_creation_that_is_killed_leaves_a_ledger_or_a_refusal_with_help(tmp_path: Path, after: float) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    process = start(url, "killed", 1)
    time.sleep(after)
    process.kill()
    process.communicate(timeout=60)
    try:
        ledger = open_ledger(url)
    except SigningKeyError as error:
        assert error.code == "ledger-gone"  # noqa: PT017
    else:
        assert ledger.verify().ok
        ledger.close()
