"""The command line on real ledgers, in processes of its own: write, then answer; what is on record; what is found."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from policy_audit.tables import METADATA

from tests.integration.place import ACTOR, CHAMPION, OWNER, Place

AT = ("--at", "2026-11-01T00:00:00Z")
pytestmark = pytest.mark.slow


def test_a_decision_is_on_record_before_it_is_shown(either: Place) -> None:
    names = [f"triage-{number}" for number in range(12)]
    process = either.start("evaluate", str(either.write(*names)), "-o", "json", "--all-rules")
    assert process.stdout is not None
    assert process.stdout.read(1) == b"["
    # The rest is larger than a pipe holds, so the process waits for us while we look.
    assert process.poll() is None
    with either.store.connection() as connection:
        found = [row[0] for row in connection.execute("SELECT workload FROM decision ORDER BY leaf_index")]
    process.kill()
    process.communicate()
    assert found == names
    assert either.verified() == len(names)


def test_output_that_nobody_gets_is_no_success_and_is_on_record(either: Place) -> None:
    with Path("/dev/full").open("wb") as full:
        found = either.evaluate(stdout=full)
    assert found.returncode != 0
    assert either.verified() == 1


def test_a_new_ledger_tells_its_key_once(place: Place) -> None:
    first, second = place.evaluate(), place.evaluate()
    assert first.returncode == second.returncode == 0
    key = re.search(r"policy-ledger\.local/\S+", first.stderr.decode())
    assert key is not None
    assert second.stderr == b""
    assert place.verified("--vkey", key[0]) == 2
    assert (place.path.stat().st_mode & 0o777, place.path.with_name("ledger.db.key").stat().st_mode & 0o777) == (
        0o600,
        0o600,
    )


def test_processes_evaluate_into_one_ledger_at_once(either: Place) -> None:
    files = [either.write(*(f"w{process}-{number}" for number in range(5))) for process in range(3)]
    processes = [either.start("evaluate", str(file), "-o", "json") for file in files for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    parts = [decision["ledger"] for out, _ in outputs for decision in json.loads(out)]
    assert sorted(part["index"] for part in parts) == list(range(30))
    assert sum(b"verifier key" in err for _, err in outputs) == 1
    assert either.verified() == 30
    listed = json.loads(either.run("audit", "list", "-o", "json").stdout)["decisions"]
    assert {row["index"]: row["workload"] for row in listed} == {
        decision["ledger"]["index"]: decision["workload"]["name"] for out, _ in outputs for decision in json.loads(out)
    }


@pytest.mark.disk
def test_killed_at_any_moment_nothing_shown_is_lost(either: Place) -> None:
    started = time.monotonic()
    assert either.evaluate().returncode == 0
    longest = time.monotonic() - started
    many = either.write(*(f"triage-{number}" for number in range(6)))
    chance, shown = random.Random(7), 1  # noqa: S311
    for _ in range(4):
        process = either.start("evaluate", str(many), "-o", "json")
        try:
            out, _ = process.communicate(timeout=chance.uniform(0.3, 1.2) * longest)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, _ = process.communicate()
        recorded = either.verified()
        assert (recorded - 1) % 6 == 0, "a run is recorded whole or not at all"
        if out:
            assert recorded == shown + 6
        assert recorded in (shown, shown + 6)
        shown = recorded
    assert either.evaluate().returncode == 0


@pytest.mark.parametrize(
    ("step", "index", "statement"),
    [
        (
            "entries",
            1,
            "UPDATE log_entry SET entry = X'7B7D' WHERE leaf_index = 1",
        ),
        ("view", 2, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 2"),
        ("entries", 1, "DELETE FROM log_entry WHERE leaf_index = 1"),
        # the rules, which all three name: entry 0 first
        (
            "blobs",
            0,
            "UPDATE blob SET content = X'7B7D' WHERE length(content) = (SELECT max(length(content)) FROM blob)",
        ),
        ("personal", 0, "UPDATE personal SET sealed = X'00' WHERE leaf_index = 0 AND name = 'owner'"),
        ("personal", 1, "DELETE FROM personal WHERE leaf_index = 1 AND name = 'owner'"),
        ("checkpoints", None, "UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 2"),
    ],
)
def test_tampering_is_found(three: Place, step: str, index: int | None, statement: str) -> None:
    with three.store.administrator() as connection:
        connection.execute(statement)
    found = three.run("audit", "verify", "-o", "json=report.json", "-o", "text")
    assert found.returncode == 6
    assert b"FAILED" in found.stdout
    report = json.loads((three.home / "report.json").read_text(encoding="utf-8"))
    assert not report["ok"]
    failed = {each["name"]: each for each in report["steps"] if each["status"] == "failed"}
    assert step in failed
    assert failed[step]["first_problem"]
    if index is not None:
        assert report["first_failing_index"] == index


def test_a_dropped_tail_is_found_with_a_kept_receipt(place: Place) -> None:
    for _ in range(2):
        assert place.evaluate().returncode == 0
    shutil.copy2(place.path, place.home / "older.db")
    place.decided()
    kept = place.home / "kept.tlog-proof"
    assert place.run("audit", "prove", "2", "--to", str(kept)).returncode == 0
    shutil.copy2(place.home / "older.db", place.path)
    for suffix in ("-wal", "-shm"):
        place.path.with_name(place.path.name + suffix).unlink(missing_ok=True)
    assert place.verified() == 2, "by itself an older copy is in order"
    found = place.verify("--kept", str(kept))
    assert found.returncode == 6
    report = json.loads(found.stdout)
    assert "tail was dropped" in report["steps"][-1]["first_problem"]
    assert report["first_failing_index"] == 2


def test_the_same_inputs_give_the_same_bytes(place: Place) -> None:
    seen = set()
    for number, seed in enumerate(("0", "1", "4242", "random")):
        decision = place.decided(*AT, env={"PYTHONHASHSEED": seed, "POLICY_ACTOR": f"actor{number}@acme.example"})
        blob = place.run("audit", "show", str(number), "--blob", "decision").stdout
        assert hashlib.sha256(blob).hexdigest() == decision["id"]
        seen.add(blob)
    assert len(seen) == 1


def test_personal_values_are_nowhere_in_the_database_in_plain_text(either: Place) -> None:
    decision = either.decided()
    assert decision["workload"]["owner"] == OWNER, "what a person is shown has the names"
    needles = [text.encode() for text in (OWNER, CHAMPION, ACTOR)]
    needles += [needle.partition(b"@")[0] for needle in needles]
    with either.store.connection() as connection:
        for table in METADATA.tables:
            cells = [cell for row in connection.execute(f"SELECT * FROM {table}") for cell in row]
            text = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
            assert not any(needle in text for needle in needles), table
    for file in either.folder.glob("ledger.db*"):
        content = file.read_bytes()
        assert not any(needle in content for needle in needles), file


def test_another_owner_gives_the_same_decision(place: Place) -> None:
    first = place.decided(*AT)
    text = place.workload.read_text(encoding="utf-8").replace(OWNER, "somebody.else@acme.example")
    place.workload.write_text(text, encoding="utf-8")
    second = place.decided(*AT)
    assert second["id"] == first["id"]
    assert second["workload"]["owner"] != first["workload"]["owner"]
    explained = json.loads(place.run("explain", first["id"], "-o", "json").stdout)
    assert explained["workload"]["owner"] == "somebody.else@acme.example"
    assert explained["ledger"]["index"] == 1
