"""`policy sweep` as a process that is killed, interrupted, or out of disk: no half output, and nothing left over."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.place import Place
from tests.unit.cli.given import ALLOWED, EXAMPLES
from tests.unit.cli.sweep_scene import findings
from tests.unit.fleet.tables import LEAST, jsonl

pytestmark = pytest.mark.slow
ROWS = 30_000


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table that takes some seconds, the rows one after another."""
    path = tmp_path_factory.mktemp("fleet") / "fleet.jsonl"
    path.write_bytes(jsonl([LEAST | {"workload.name": f"w{number}"} for number in range(ROWS)]))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the findings go: there is a file already, of an earlier run."""
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "out.parquet"
    path.write_bytes(b"earlier")
    return path


def untouched(target: Path) -> bool:
    """Wait until nothing but what stood there before does, for no longer than a removal may take."""
    for _ in range(200):
        if os.listdir(target.parent) == [target.name]:
            return target.read_bytes() == b"earlier"
        time.sleep(0.05)
    return False


def begun(process: subprocess.Popen[bytes], target: Path, kind: str) -> None:
    """Wait until the sweep has written something of a `kind`."""
    while not list(target.parent.glob(f".*.sweep-*/{kind}")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SIGKILL", "rejects.jsonl"),
        ("SIGKILL", "rows/00000002.parquet"),
        ("SIGKILL", "findings.parquet"),
        ("SIGTERM", "rows/00000001.parquet"),
        ("SIGINT", "rows/00000001.parquet"),
        ("SIGINT", "findings.parquet"),
    ],
)
def test_ended_at_any_time_nothing_half_is_in_place(
    name: str, kind: str, place: Place, fleet: Path, target: Path
) -> None:
    process = place.start("sweep", str(fleet), "--to", str(target))
    begun(process, target, kind)
    process.send_signal(signal.Signals[name])
    _, error = process.communicate(timeout=60)
    assert process.returncode == (7 if name == "SIGINT" else -signal.Signals[name])
    if name == "SIGINT":
        assert b"[interrupted]" in error
        assert b"Traceback" not in error
    assert untouched(target)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this user may mount one."""
    disk, mount = tmp_path / "disk", shutil.which("mount")
    disk.mkdir()
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(place: Place, fleet: Path, small_disk: Path) -> None:
    done = place.run("sweep", str(fleet), "--to", str(small_disk / "out.csv"))
    assert done.returncode == 2, done.stderr
    assert b"[cannot-write]" in done.stderr
    assert b"no space left" in done.stderr
    assert b"Traceback" not in done.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("most", [20_000, 200_000])
def test_a_limit_on_the_size_of_files(most: int, place: Place, fleet: Path, target: Path) -> None:
    """The smaller one is met by the rows that are kept, the larger one by the findings."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

    done = place.run("sweep", str(fleet), "--to", str(target.with_suffix(".csv")), preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    assert b"[cannot-write]" in done.stderr
    assert b"Traceback" not in done.stderr
    assert untouched(target)


def test_a_directory_of_a_thousand_files(place: Place, tmp_path: Path) -> None:
    folder, text = tmp_path / "fleet", ALLOWED.read_text(encoding="utf-8")
    name = next(line for line in text.splitlines() if line.strip().startswith("name:"))
    for number in range(1000):
        sub = folder / f"team-{number % 10}"
        sub.mkdir(parents=True, exist_ok=True)
        own = text.replace(name, name.replace("name: ", f"name: w{number}-"), 1)
        (sub / f"{number:04}.yaml").write_text(own if number != 500 else own + "\nbogus: 1\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    done = place.run("sweep", str(folder), "--to", str(out))
    assert done.returncode == 2, done.stderr
    found = findings(out)
    assert len(found) == 999
    assert len({row["workload.name"] for row in found}) == 999
    assert [row["file"] for row in found] == sorted(row["file"] for row in found)
    assert b"team-0/0500.yaml:1: " in done.stderr


def test_progress_is_shown_to_nobody_who_does_not_watch(place: Place, target: Path) -> None:
    done = place.run("sweep", str(EXAMPLES), "--to", str(target))
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr + done.stdout
