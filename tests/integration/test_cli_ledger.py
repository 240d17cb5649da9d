"""The command line on real ledgers, in processes of its own: write, then answer; what is refused; what is found."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OWNER, CHAMPION, ACTOR = "olga.owner@acme.example", "carl.champion@acme.example", "anna.actor@acme.example"
WORKLOAD = f"""\
apiVersion: policy-engine/v1
kind: Workload
metadata: {{namespace: support, name: NAME, owner: {OWNER}}}
spec:
  stage: production
  tasks:
    - {{name: t, kind: classification, complexity: simple, batch: false,
       proposal: {{deployment: proprietary_api, model: gpt-4o}}}}
  data: {{sensitivity: public, may_leave_network: false}}
  migration: {{from: {{deployment: proprietary_api, model: gpt-4o}}, champion: {CHAMPION}}}
"""
AT = ("--at", "2026-11-01T00:00:00Z")
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
pytestmark = pytest.mark.slow


class Place:
    """A folder with a workload, a ledger to be, and the environment in which commands run."""

    def __init__(self, folder: Path, parsed_rules: Path | None = None) -> None:
        self.folder, self.path = folder, folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"
        self.home = folder / "home"
        self.home.mkdir()
        if parsed_rules is not None:
            shutil.copytree(parsed_rules, self.home / "cache")
        self.workload = self.write("triage")

    def write(self, *names: str) -> Path:
        file = self.home / f"{names[0]}.yaml"
        file.write_text("---\n".join(WORKLOAD.replace("NAME", name) for name in names), encoding="utf-8")
        return file

    @property
    def environment(self) -> dict[str, str]:
        names = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        own = {**dict.fromkeys(names, str(self.home)), "POLICY_CACHE_DIR": str(self.home / "cache")}
        return {**kept, **own, "POLICY_ACTOR": ACTOR, "POLICY_LEDGER": self.url}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        environment = {**self.environment, **more.pop("env", {})}
        command = [sys.executable, "-m", "policy_engine", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.home, env=environment, **{**streams, **more})

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def evaluate(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return self.run("evaluate", str(self.workload), *arguments, **more)

    def decided(self, *arguments: str, **more: Any) -> dict[str, Any]:
        found = self.evaluate("-o", "json", *arguments, **more)
        assert found.returncode == 0, found.stderr
        value: dict[str, Any] = json.loads(found.stdout)
        return value

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("audit", "verify", "-o", "json", *arguments)

    def verified(self, *arguments: str) -> int:
        """Return the number of entries of the ledger, which verifies."""
        found = self.verify(*arguments)
        assert found.returncode == 0, (found.stdout, found.stderr)
        entries: int = json.loads(found.stdout)["entries"]
        return entries


def refused(found: subprocess.CompletedProcess[bytes], *codes: str) -> None:
    assert found.returncode == 6, found.stderr
    assert found.stdout == b"", "a decision that is not on record was handed out"
    error = found.stderr.decode()
    assert any(f"[{code}]" in error for code in codes), error
    assert "Traceback" not in error


@pytest.fixture(scope="session")
def parsed_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that a first run leaves, so that not every test has to parse all rules."""
    first = Place(tmp_path_factory.mktemp("first"))
    assert first.evaluate().returncode == 0
    return first.home / "cache"


@pytest.fixture(scope="session")
def three_decisions(tmp_path_factory: pytest.TempPathFactory, parsed_rules: Path) -> Path:
    """A folder with a ledger of three decisions, each of a commit of its own, which verifies."""
    made = Place(tmp_path_factory.mktemp("three"), parsed_rules)
    for _ in range(3):
        assert made.evaluate().returncode == 0
    assert made.verified() == 3
    return made.folder


@pytest.fixture
def place(tmp_path: Path, parsed_rules: Path) -> Place:
    return Place(tmp_path, parsed_rules)


@pytest.fixture
def small_disk(place: Place) -> Iterator[Place]:
    """A place whose ledger is on a file system of one megabyte, where this user may mount one."""
    disk = place.folder / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not (IS_ROOT and mount) or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system")
    place.path = disk / "ledger.db"
    place.url = f"sqlite:///{place.path}"
    yield place
    subprocess.run(["umount", str(disk)], check=True)


def bound_by_rights() -> None:
    """Make the rights of files hold for root too, in the process that is about to start."""
    if IS_ROOT:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def test_a_decision_is_on_record_before_it_is_shown(place: Place) -> None:
    names = [f"triage-{number}" for number in range(12)]
    process = place.start("evaluate", str(place.write(*names)), "-o", "json", "--all-rules")
    assert process.stdout is not None
    assert process.stdout.read(1) == b"["
    # The rest is larger than a pipe holds, so the process waits for us while we look.
    assert process.poll() is None
    connection = sqlite3.connect(place.path)
    found = [row[0] for row in connection.execute("SELECT workload FROM decision ORDER BY leaf_index")]
    connection.close()
    process.kill()
    process.communicate()
    assert found == names
    assert place.verified() == len(names)


def test_output_that_nobody_gets_is_no_success_and_is_on_record(place: Place) -> None:
    with Path("/dev/full").open("wb") as full:
        found = place.evaluate(stdout=full)
    assert found.returncode != 0
    assert place.verified() == 1


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


@pytest.mark.skipif(sys.platform != "linux" and IS_ROOT, reason="root cannot be bound by rights here")
def test_a_folder_that_may_not_be_written(place: Place) -> None:
    sealed = place.folder / "sealed"
    sealed.mkdir(mode=0o555)
    found = place.evaluate("--ledger", f"sqlite:///{sealed}/ledger.db", preexec_fn=bound_by_rights)
    refused(found, "ledger-unwritable")
    assert list(sealed.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux" and IS_ROOT, reason="root cannot be bound by rights here")
@pytest.mark.parametrize("sealed", ["file", "folder", "both"])
def test_a_database_that_may_not_be_written(place: Place, sealed: str) -> None:
    folder = place.folder / "sealed"
    folder.mkdir()
    place.path = folder / "ledger.db"
    place.url = f"sqlite:///{place.path}"
    assert place.evaluate().returncode == 0
    if sealed != "folder":
        place.path.chmod(0o444)
    if sealed != "file":
        folder.chmod(0o555)
    found = place.evaluate(preexec_fn=bound_by_rights)
    for command in (["audit", "verify"], ["audit", "list"]):
        assert place.run(*command, preexec_fn=bound_by_rights).returncode == 0
    folder.chmod(0o755)
    refused(found, "ledger-read-only", "ledger-unreadable")
    assert place.verified() == 1


def test_a_full_disk(small_disk: Place) -> None:
    assert small_disk.evaluate().returncode == 0
    ballast = small_disk.path.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    refused(small_disk.evaluate(), "ledger-disk-full", "ledger-io", "ledger-unreadable")
    ballast.unlink()
    assert small_disk.verified() == 1
    assert small_disk.decided()["ledger"]["index"] == 1
    assert small_disk.verified() == 2


def test_a_disk_too_full_for_a_new_ledger(small_disk: Place) -> None:
    ballast = small_disk.path.with_name("ballast")
    ballast.write_bytes(bytes(1024 * 1024 - 8 * 4096))
    refused(small_disk.evaluate(), "ledger-disk-full", "ledger-io", "ledger-unwritable", "signing-key")
    ballast.unlink()
    assert small_disk.decided()["ledger"]["index"] == 0
    assert small_disk.verified() == 1


def test_a_limit_on_the_size_of_files(place: Place) -> None:
    assert place.evaluate().returncode == 0
    size = place.path.stat().st_size
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    many = place.write(*(f"triage-{number}" for number in range(12)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))

    refused(place.run("evaluate", str(many), preexec_fn=limit), "ledger-disk-full", "ledger-io")
    assert place.verified() == 1
    assert place.decided()["ledger"]["index"] == 1


@pytest.mark.parametrize("what", ["text", "empty database", "other database", "folder"])
def test_a_ledger_that_is_not_one(place: Place, what: str) -> None:
    if what == "text":
        place.path.write_text("this is a text\n" * 1000, encoding="utf-8")
    elif what == "folder":
        place.path.mkdir()
    else:
        connection = sqlite3.connect(place.path)
        connection.execute("CREATE TABLE customers (name TEXT)")
        if what == "empty database":
            connection.execute("DROP TABLE customers")
        connection.commit()
        connection.close()
    before = place.path.read_bytes() if place.path.is_file() else b""
    if what == "empty database":
        # Nothing is lost by making a ledger of it, but reading does not.
        refused(place.run("audit", "list"), "ledger-missing")
        assert place.path.read_bytes() == before
        return
    codes = ("not-a-ledger", "ledger-unreadable", "ledger-unwritable")
    refused(place.evaluate(), *codes)
    for command in (["list"], ["verify"]):
        refused(place.run("audit", *command), *codes)
    refused(place.run("explain", "abcd1234"), *codes)
    assert (place.path.read_bytes() if place.path.is_file() else b"") == before


def test_a_key_that_is_missing_or_exposed(place: Place) -> None:
    assert place.evaluate().returncode == 0
    key = place.path.with_name("ledger.db.key")
    verifier = json.loads(place.verify().stdout)["origin"]
    assert verifier.startswith("policy-ledger.local/")
    key.chmod(0o644)
    exposed = place.evaluate()
    refused(exposed, "signing-key-exposed")
    assert b"chmod 600" in exposed.stderr
    key.chmod(0o600)
    content = key.read_bytes()
    key.unlink()
    refused(place.evaluate(), "signing-key-missing")
    assert not key.exists(), "a new key would hide the loss of the old one"
    assert place.run("audit", "list").returncode == 0
    key.write_bytes(b"nonsense")
    key.chmod(0o600)
    refused(place.evaluate(), "signing-key")
    key.write_bytes(content)
    assert place.decided()["ledger"]["index"] == 1


def test_a_ledger_that_is_gone_is_not_begun_anew(place: Place) -> None:
    assert place.evaluate().returncode == 0
    place.path.unlink()
    refused(place.evaluate(), "ledger-gone")
    refused(place.run("audit", "verify"), "ledger-gone", "ledger-missing")
    assert not place.path.exists()


def test_processes_evaluate_into_one_ledger_at_once(place: Place) -> None:
    files = [place.write(*(f"w{process}-{number}" for number in range(5))) for process in range(3)]
    processes = [place.start("evaluate", str(file), "-o", "json") for file in files for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    parts = [decision["ledger"] for out, _ in outputs for decision in json.loads(out)]
    assert sorted(part["index"] for part in parts) == list(range(30))
    assert sum(b"verifier key" in err for _, err in outputs) == 1
    assert place.verified() == 30
    listed = json.loads(place.run("audit", "list", "-o", "json").stdout)["decisions"]
    assert {row["index"]: row["workload"] for row in listed} == {
        decision["ledger"]["index"]: decision["workload"]["name"] for out, _ in outputs for decision in json.loads(out)
    }


def test_killed_at_any_moment_nothing_shown_is_lost(place: Place) -> None:
    started = time.monotonic()
    assert place.evaluate().returncode == 0
    longest = time.monotonic() - started
    many = place.write(*(f"triage-{number}" for number in range(6)))
    chance, shown = random.Random(7), 1  # noqa: S311
    for _ in range(6):
        process = place.start("evaluate", str(many), "-o", "json")
        try:
            out, _ = process.communicate(timeout=chance.uniform(0.3, 1.2) * longest)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, _ = process.communicate()
        recorded = place.verified()
        assert (recorded - 1) % 6 == 0, "a run is recorded whole or not at all"
        if out:
            assert recorded == shown + 6
        assert recorded in (shown, shown + 6)
        shown = recorded
    assert place.evaluate().returncode == 0


def tamper(path: Path, *statements: str) -> None:
    """Change the database with an administrator's rights, and put the triggers back."""
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("step", "index", "statement"),
    [
        (
            "entries",
            1,
            "UPDATE log_entry SET entry = CAST(replace(CAST(entry AS TEXT), 'deny', 'okay') AS BLOB) "
            "WHERE leaf_index = 1",
        ),
        ("view", 2, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 2"),
        ("entries", 1, "DELETE FROM log_entry WHERE leaf_index = 1"),
        ("blobs", None, "UPDATE blob SET content = CAST('{}' AS BLOB) WHERE digest = (SELECT min(digest) FROM blob)"),
        ("personal", 0, "UPDATE personal SET value = 'someone@else.example' WHERE leaf_index = 0 AND name = 'owner'"),
        ("personal", 1, "DELETE FROM personal WHERE leaf_index = 1 AND name = 'owner'"),
        ("checkpoints", None, "UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 2"),
    ],
)
def test_tampering_is_found(place: Place, three_decisions: Path, step: str, index: int | None, statement: str) -> None:
    for name in ("ledger.db", "ledger.db.key"):
        shutil.copy2(three_decisions / name, place.folder / name)
    tamper(place.path, statement)
    found = place.run("audit", "verify", "-o", "json=report.json", "-o", "text")
    assert found.returncode == 6
    assert b"FAILED" in found.stdout
    report = json.loads((place.home / "report.json").read_text(encoding="utf-8"))
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


def test_personal_values_are_in_their_table_alone(place: Place) -> None:
    decision = place.decided()
    assert decision["workload"]["owner"] == OWNER, "what a person is shown has the names"
    connection = sqlite3.connect(place.path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    needles = [text.encode() for text in (OWNER, CHAMPION, ACTOR)]
    needles += [needle.partition(b"@")[0] for needle in needles]
    for table in tables:
        cells = [cell for row in connection.execute(f"SELECT * FROM {table}") for cell in row]
        text = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
        if table == "personal":
            assert all(needle in text for needle in needles)
        else:
            assert not any(needle in text for needle in needles), table
    connection.close()


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
