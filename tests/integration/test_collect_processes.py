"""Spooling and collecting in processes of their own: killed, on disks that are full or read-only."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_audit.entry import Draft, EntryType

from tests.integration.place import Place, refused
from tests.spools import entry_bytes, files, leaf_of, read
from tests.stores import SQLITE
from tests.unit.cli.spool_scene import spooled

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
pytestmark = [pytest.mark.slow, pytest.mark.disk]
#: Runs `policy` until a function is called for the n-th time, and is killed in that call, before or after its work.
KILLED = """
import functools, importlib, os, signal, sys
where, count, when, *arguments = sys.argv[1:]
module, _, name = where.rpartition(".")
module, left = importlib.import_module(module), [int(count)]
whole = getattr(module, name)

@functools.wraps(whole)
def killed(*given, **named):
    left[0] -= 1
    if left[0] == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = whole(*given, **named)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(module, name, killed)
import policy_audit.collecting
policy_audit.collecting.BATCH_FILES = 4
from policy_engine.cli.main import run
run(arguments)
"""


@pytest.fixture
def spools(either: Place) -> list[Path]:
    """Four spools of two decisions, and a ledger with an entry of its own."""
    with either.store.open() as ledger:
        ledger.append(Draft(EntryType.HOLD))
    return [spooled(either.folder / "spools" / str(number), str(number), 2, number) for number in range(4)]


def collect(place: Place, *arguments: str | Path) -> dict[str, Any]:
    done = place.run("audit", "collect", *map(str, arguments), "-o", "json")
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


APPENDING = [("policy_audit.collecting.extend", 2, "after", 1)]  # within the first transaction
LATER = [
    ("policy_audit.collecting.append_batch", 1, "after", 6),  # between two: four decisions, and what says so
    ("policy_audit.collecting.append_batch", 2, "after", 11),  # before the first receipt
    ("policy_engine.cli.collected_files._remove_shared", 1, "after", 11),
]


def test_a_collector_that_is_killed_can_be_run_again(either: Place, spools: list[Path]) -> None:
    """Wherever it dies, the next one adds what is not there yet, and hands out every receipt."""
    expected = {leaf_of(entry_bytes(read(path))) for spool in spools for path in files(spool)}
    receipts = either.folder / "receipts"
    given = ["audit", "collect", *map(str, spools), "--receipts", str(receipts), "--remove"]
    for where, count, when, size in [*APPENDING, *(LATER if either.store.kind == SQLITE else [])]:
        command = [sys.executable, "-c", KILLED, where, str(count), when, *given]
        done = subprocess.run(command, env=either.environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL, (where, done.stderr)
        assert either.verified() == size, where
    found = collect(either, *given[2:])
    assert found["added"] == (0 if either.store.kind == SQLITE else 8)
    assert not any(files(spool) for spool in spools)
    with either.store.open() as ledger:
        leaves = [entry.leaf_hash for entry in ledger.list_entries(type="decision")]
        assert len(leaves) == 8
        assert set(leaves) == expected
        for path in receipts.iterdir():
            assert path.read_text(encoding="utf-8").startswith("c2sp.org/tlog-proof@v1\n")
        assert len(list(receipts.iterdir())) == 8


def mounted(folder: Path, *options: str) -> bool:
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return bool(IS_ROOT and mount) and not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = place.folder / "disk"
    folder.mkdir()
    if not mounted(folder, "size=1m"):
        pytest.skip("cannot mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_shows_nothing_and_leaves_nothing(place: Place, disk: Path) -> None:
    spool = disk / "spool"
    spool.mkdir()
    given = ("--ledger", f"spool:{spool}")
    assert place.evaluate(*given).returncode == 0
    before = files(spool)
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    refused(place.evaluate(*given), "spool-full")
    assert files(spool) == before
    assert [path.name for path in spool.rglob(".*")] == []
    ballast.unlink()
    assert place.evaluate(*given).returncode == 0
    assert len(files(spool)) == 2


def test_a_read_only_spool(place: Place, disk: Path) -> None:
    """Nothing is spooled into it; it is collected, and not cleared."""
    spool = disk / "spool"
    spool.mkdir()
    given = ("--ledger", f"spool:{spool}")
    assert place.evaluate(*given).returncode == 0
    assert place.evaluate().returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    refused(place.evaluate(*given), "spool-unwritable")
    done = place.run("audit", "collect", str(spool), "--remove", "-o", "json")
    assert done.returncode == 2
    assert b"read-only file system" in done.stderr
    assert json.loads(done.stdout)["added"] == 1
    assert collect(place, spool)["already"] == 1
    assert len(files(spool)) == 1
    assert place.verified() == 3


def test_a_decision_killed_while_it_is_spooled_is_not_shown(place: Place) -> None:
    """What it leaves is no decision: the next collection says that something was broken off."""
    spool = place.folder / "spool"
    spool.mkdir()
    # by then its three shared documents have their names, and the decision is about to get its own
    command = [sys.executable, "-c", KILLED, "os.replace", "4", "before", "evaluate", str(place.workload)]
    environment = {**place.environment, "POLICY_LEDGER": f"spool:{spool}"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b""), done.stderr
    assert files(spool) == []
    assert place.evaluate().returncode == 0
    found = collect(place, spool)
    assert found["decisions"] == []
    assert len(found["unfinished"]) == 1
