"""`policy audit anchor --watch` in a process of its own, beside others that decide."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from policy_audit.anchors.place import file_name

from tests.integration.place import Place
from tests.stores import SQLITE
from tests.witness import Witness, WitnessKey, served

pytestmark = pytest.mark.slow
PATIENCE = 60.0


@pytest.fixture
def place(three_decisions: Path, tmp_path: Path, parsed_rules: Path) -> Place:
    folder = tmp_path / "place"
    shutil.copytree(three_decisions, folder, ignore=shutil.ignore_patterns("home"))
    return Place(folder, parsed_rules)


@pytest.fixture
def worm(place: Place) -> Path:
    folder = place.home / "worm"
    folder.mkdir()
    return folder


def wait_for(holds: Callable[[], object]) -> None:
    """Wait until it holds; what never comes to hold fails here and not by a clock of the test's own."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


@contextmanager
def watching(place: Place, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = place.start("audit", "anchor", "--watch", "--every", "1s", *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in err
    return process.returncode, out.decode()


def entries(place: Place) -> list[dict[str, Any]]:
    with place.store.open(read_only=True) as ledger:
        return [entry.document for entry in ledger.list_entries(newest_first=False)]


def types(place: Place) -> list[str]:
    return [str(entry["type"]) for entry in entries(place)]


def sizes(place: Place, worm: Path) -> list[int]:
    with place.store.open(read_only=True) as ledger:
        folder = worm / file_name(str(ledger.origin))
    return sorted(int(path.name) for path in folder.iterdir()) if folder.is_dir() else []


def test_what_arrives_is_anchored_and_the_end_too(three: Place) -> None:
    place, worm = three, three.home / "worm"
    how = signal.SIGTERM if three.store.kind == SQLITE else signal.SIGINT
    worm.mkdir()
    with watching(place, "--to", f"file:{worm}") as process:
        wait_for(lambda: sizes(place, worm) == [4])
        assert place.evaluate().returncode == 0
        wait_for(lambda: len(sizes(place, worm)) == 2)
        status, out = stop(process, how)
    assert status == 0
    assert out.splitlines()[0] == f"held: file:{worm}: 4 entries"
    states = [entry["body"]["state"] for entry in entries(place) if entry["type"] == "heartbeat"]
    assert states == ["on", "off"]
    assert len(sizes(place, worm)) == 3, "the end of watching is anchored"
    assert place.verified("--kept", str(worm)) == len(types(place))


def test_an_idle_ledger_is_quiet(place: Place, worm: Path) -> None:
    with watching(place, "--to", f"file:{worm}") as process:
        wait_for(lambda: types(place)[-1] == "anchor")
        before = types(place)
        time.sleep(4)
        assert types(place) == before
        assert stop(process)[0] == 0
    assert types(place)[len(before) :] == ["heartbeat", "anchor"]


def test_heartbeats_when_asked_for(place: Place, worm: Path) -> None:
    with watching(place, "--to", f"file:{worm}", "--beat", "1s") as process:
        wait_for(lambda: sum(entry["body"].get("state") == "beat" for entry in entries(place)) >= 2)
        assert stop(process)[0] == 0
    last = max(index for index, kind in enumerate(types(place)) if kind == "heartbeat")
    assert sizes(place, worm)[-1] == last + 1


def test_killed_it_leaves_a_ledger_that_goes_on_and_says_no_end(place: Place, worm: Path) -> None:
    with watching(place, "--to", f"file:{worm}") as process:
        wait_for(lambda: sizes(place, worm))
        process.kill()
        process.communicate()
    with watching(place, "--to", f"file:{worm}") as process:
        wait_for(lambda: types(place).count("heartbeat") == 2)
        assert stop(process)[0] == 0
    states = [entry["body"]["state"] for entry in entries(place) if entry["type"] == "heartbeat"]
    assert states == ["on", "on", "off"]
    assert place.verified("--kept", str(worm))


def test_a_place_that_comes_back_is_tried_again(place: Place, worm: Path) -> None:
    late = place.home / "late"
    with watching(place, "--to", f"file:{late}", "--to", f"file:{worm}") as process:
        wait_for(lambda: sizes(place, worm))
        late.mkdir()
        wait_for(lambda: sizes(place, late))
        assert stop(process)[0] == 0
    failures = [entry["body"] for entry in entries(place) if entry["body"].get("result") == "failed"]
    assert len(failures) == 1, "a failure that lasts is recorded once"


def test_a_rollback_under_the_watch_is_an_alarm(place: Place, worm: Path) -> None:
    witness = Witness(WitnessKey("witness.example/w1"))
    with place.store.open() as ledger:
        witness.log_keys.append(str(ledger.verifier_key))
    copy = place.home / "copy.db"
    shutil.copy2(place.path, copy)
    with served(witness) as url:
        to = ("--to", f"witness:{url}#{witness.key.verifier_key}", "--to", f"file:{worm}")
        assert place.run("audit", "anchor", *to).returncode == 0
        for _ in range(2):
            assert place.evaluate().returncode == 0
        assert place.run("audit", "anchor", *to).returncode == 0
        for suffix in ("-wal", "-shm"):
            place.path.with_name(place.path.name + suffix).unlink(missing_ok=True)
        shutil.copy2(copy, place.path)
        found = place.run("audit", "anchor", *to, "-o", "json")
        assert found.returncode == 6
        assert [each["code"] for each in json.loads(found.stdout)["places"]] == ["ledger-rolled-back"] * 2
        with watching(place, *to) as process:
            wait_for(lambda: witness.statuses.count(409) >= 2)
            status, out = stop(process)
    assert status == 6
    assert "alarm: witness:" in out
    assert "alarm: file:" in out
    recorded = [entry["body"]["result"] for entry in entries(place) if entry["type"] == "anchor"]
    assert "alarm" in recorded
    assert "held" not in recorded


def test_two_watchers_and_deciders_at_once(place: Place, worm: Path) -> None:
    other = place.home / "other"
    other.mkdir()
    with watching(place, "--to", f"file:{worm}") as one, watching(place, "--to", f"file:{other}") as two:
        deciders = [place.start("evaluate", str(place.workload)) for _ in range(3)]
        for decider in deciders:
            decider.communicate(timeout=PATIENCE)
        wait_for(lambda: sizes(place, worm) and sizes(place, other))
        assert stop(one)[0] == 0
        assert stop(two)[0] == 0
    assert [decider.returncode for decider in deciders] == [0, 0, 0]
    assert place.verified("--kept", str(worm), "--kept", str(other)) == len(types(place))
