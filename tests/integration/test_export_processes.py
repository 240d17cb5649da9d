"""Exports by processes of their own, of a ledger that real evaluations wrote, checked where no ledger is."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.integration.place import ACTOR, CHAMPION, OWNER, Place


def pinned(place: Place) -> str:
    found = place.run("audit", "verify", "-o", "json")
    assert found.returncode == 0, found.stderr
    from policy_audit.keys import read_key_file

    return read_key_file(place.path.with_name("ledger.db.key")).verifier_key


@pytest.fixture
def filled(place: Place) -> Place:
    for _ in range(2):
        assert place.evaluate().returncode == 0
    return place


@pytest.mark.parametrize("name", ["csv", "parquet", "oscal"])
def test_an_export_is_checked_by_another_who_has_but_the_key(name: str, filled: Place, tmp_path: Path) -> None:
    made = filled.run("audit", "export", str(filled.home / "out"), "--format", name, "-o", "json")
    assert made.returncode == 0, made.stderr
    assert filled.verified() == 3
    key = pinned(filled)
    auditor = Place(tmp_path / "auditor") if (tmp_path / "auditor").mkdir() is None else None
    assert auditor is not None
    shutil.move(filled.home / "out", auditor.home / "out")
    folder = str(auditor.home / "out")
    found = auditor.run("audit", "export-check", folder, "--vkey", key, "-o", "json")
    assert found.returncode == 0, found.stdout
    assert json.loads(found.stdout)["root"] == json.loads(made.stdout)["root"]
    one = ("--entry", f"{folder}/entries/1.json", "--vkey", key)
    assert auditor.run("audit", "prove", "--check", f"{folder}/proofs/1.tlog-proof", *one).returncode == 0
    everything = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    assert not [name for name in (OWNER, CHAMPION, ACTOR) if name.encode() in everything]
    manifest = Path(folder) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"all decisions"', b'"all of them"'))
    assert auditor.run("audit", "export-check", folder, "--vkey", key).returncode == 6


@pytest.mark.disk
def test_killed_at_any_time_nothing_half_is_in_place(filled: Place) -> None:
    out, key = filled.home / "out", pinned(filled)
    for wait in (0.2, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2):
        process = filled.start("audit", "export", str(out), "--format", "jsonl")
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        if out.exists():
            found = filled.run("audit", "export-check", str(out), "--vkey", key)
            assert found.returncode == 0, found.stdout
            shutil.rmtree(out)
    assert filled.verify().returncode == 0
    assert filled.run("audit", "export", str(out), "--format", "jsonl").returncode == 0


def test_two_exports_to_one_place(filled: Place) -> None:
    """One of them is handed out; the other says so, whole either way."""
    out, key = filled.home / "out", pinned(filled)
    both = [filled.start("audit", "export", str(out), "--format", "csv") for _ in range(2)]
    statuses = sorted(process.wait(timeout=120) for process in both)
    for process in both:
        process.communicate()
    assert statuses == [0, 2]
    assert filled.run("audit", "export-check", str(out), "--vkey", key).returncode == 0
    assert not list(filled.home.glob(".out*"))
    assert filled.verify().returncode == 0
