"""`policy audit rotate-key` in processes of its own, killed where it hurts most."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from policy_audit.ledger import open_ledger
from policy_audit.personal_key import generate_personal_key

from tests.integration.place import OWNER, Place, refused

pytestmark = pytest.mark.slow
KILLED_BEFORE = """
from policy_audit import ledger
def rotate_key(self, new, reason=None, **more):
    os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.rotate_key = rotate_key
"""
KILLED_AFTER = """
from policy_audit import ledger
rotate_key = ledger.Ledger.rotate_key
def rotate_and_die(self, new, reason=None, **more):
    rotate_key(self, new, reason, **more)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.rotate_key = rotate_and_die
"""
KILLED_WITHIN = """
from policy_audit import ledger_writing
def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)
ledger_writing.extend = die
"""

#: What is said where a server was lost while it committed: a standby that it waits for may let it go on later.
LOST = """
from policy_audit import ledger
from policy_audit.errors import LedgerError
def lose(self, new, reason=None, **more):
    raise LedgerError("lost during the commit", code="ledger-unreachable")
ledger.Ledger.rotate_key = lose
"""

#: Another process is refused meanwhile, and takes away the file that it made and this one found.
TAKEN_AWAY = """
import pathlib
from policy_audit import ledger
rotate_key = ledger.Ledger.rotate_key
def rotate(self, new, reason=None, **more):
    for file in pathlib.Path().glob("new.key*"):
        file.unlink()
    return rotate_key(self, new, reason, **more)
ledger.Ledger.rotate_key = rotate
"""


@pytest.fixture
def place(three_decisions: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "place"
    shutil.copytree(three_decisions, folder, ignore=shutil.ignore_patterns("home"))
    return Place(folder)


def dying(place: Place, patch: str, *arguments: str) -> int:
    code = f"import os, signal, sys\n{patch}\nfrom policy_engine.cli.main import run\nrun(sys.argv[1:])"
    command = [sys.executable, "-c", code, "audit", "rotate-key", *arguments]
    return subprocess.run(command, cwd=place.home, env=place.environment, capture_output=True, check=False).returncode


def vkey(output: bytes) -> str:
    found = re.search(r"policy-ledger\.local/\S+", output.decode())
    assert found is not None
    return found[0]


def test_the_key_rotates_and_the_old_one_is_refused(three: Place) -> None:
    new = three.home / "new.key"
    done = three.run("audit", "rotate-key", "--new-key", str(new), "--reason", "yearly")
    assert done.returncode == 0, done.stderr
    assert (new.stat().st_mode & 0o777) == 0o600
    beside = three.home / "new.key.personal"
    assert (beside.stat().st_mode & 0o777) == 0o600
    assert beside.read_bytes() == three.store.personal_key.read_bytes()
    refused(three.evaluate(), "signing-key-rotated")
    assert three.verified() == 4, "reading goes by the old key"
    assert three.evaluate("--ledger-key", str(new)).returncode == 0
    assert three.verified("--vkey", vkey(done.stdout)) == 5
    assert OWNER in three.run("audit", "show", "0", "--ledger-key", str(new)).stdout.decode()
    again = three.run("audit", "rotate-key", "--new-key", str(three.home / "third.key"))
    refused(again, "signing-key-rotated")
    assert not (three.home / "third.key").exists()
    shutil.move(new, three.store.key)
    assert three.evaluate().returncode == 0


@pytest.mark.parametrize("patch", [KILLED_BEFORE, KILLED_WITHIN], ids=["before", "within"])
def test_killed_before_the_commit_the_old_key_goes_on_and_the_rotation_can_be_repeated(
    place: Place, patch: str
) -> None:
    new = place.home / "new.key"
    assert dying(place, patch, "--new-key", str(new)) == -signal.SIGKILL
    written = new.read_bytes()
    assert place.evaluate().returncode == 0
    assert place.verified() == 4
    done = place.run("audit", "rotate-key", "--new-key", str(new))
    assert done.returncode == 0, done.stderr
    assert new.read_bytes() == written, "the key that was there is the one that was taken"
    assert place.evaluate("--ledger-key", str(new)).returncode == 0
    assert place.verified("--vkey", vkey(done.stdout)) == 6


def test_killed_after_the_commit_the_new_key_is_there(three: Place) -> None:
    new = three.home / "new.key"
    assert dying(three, KILLED_AFTER, "--new-key", str(new)) == -signal.SIGKILL
    refused(three.evaluate(), "signing-key-rotated")
    assert three.evaluate("--ledger-key", str(new)).returncode == 0
    assert three.verified() == 5


def test_where_a_commit_may_come_through_later_the_new_key_is_kept(place: Place) -> None:
    new = place.home / "new.key"
    assert dying(place, LOST, "--new-key", str(new)) == 6
    written = new.read_bytes(), (place.home / "new.key.personal").read_bytes()
    assert place.run("audit", "rotate-key", "--new-key", str(new)).returncode == 0
    assert (new.read_bytes(), (place.home / "new.key.personal").read_bytes()) == written


def test_the_same_command_twice_at_once_leaves_the_key_of_the_one_that_rotated(place: Place) -> None:
    with closing(sqlite3.connect(place.path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        first = place.start("audit", "rotate-key", "--new-key", "new.key")
        while not (place.home / "new.key.personal").exists():
            time.sleep(0.1)
        time.sleep(4)
        second = place.start("audit", "rotate-key", "--new-key", "new.key")
        refusal = first.communicate()[1]
        assert (first.returncode, b"[ledger-locked]" in refusal) == (6, True), refusal
    second.communicate()
    assert second.returncode == 0
    assert place.evaluate("--ledger-key", "new.key").returncode == 0


def test_a_key_that_was_taken_away_meanwhile_is_written_again(place: Place) -> None:
    assert dying(place, TAKEN_AWAY, "--new-key", "new.key") == 0
    assert place.evaluate("--ledger-key", "new.key").returncode == 0


def test_a_file_that_holds_another_key_is_refused_and_left_alone(place: Place) -> None:
    own = place.path.with_name("ledger.db.key")
    copy = place.home / "copy.key"
    shutil.copy2(own, copy)
    refused(place.run("audit", "rotate-key", "--new-key", str(copy)), "signing-key-exists")
    copy.write_text("something else\n")
    refused(place.run("audit", "rotate-key", "--new-key", str(copy)), "signing-key")
    assert copy.read_text() == "something else\n"
    refused(place.run("audit", "rotate-key", "--new-key", str(place.home / "no" / "folder.key")), "signing-key")
    assert place.verified() == 3


def test_a_personal_key_of_something_else_beside_the_new_key_is_refused_and_left_alone(place: Place) -> None:
    (place.home / "new.key.personal").write_text(generate_personal_key("example.com/other").text)
    (place.home / "new.key.personal").chmod(0o600)
    before = (place.home / "new.key.personal").read_bytes()
    refused(place.run("audit", "rotate-key", "--new-key", "new.key"), "personal-key-other")
    assert (place.home / "new.key.personal").read_bytes() == before
    assert not (place.home / "new.key").exists()
    assert place.verified() == 3


def test_a_lost_personal_key_keeps_no_key_from_being_rotated(place: Place) -> None:
    place.store.personal_key.unlink()
    assert place.run("audit", "rotate-key", "--new-key", "new.key").returncode == 0
    assert not (place.home / "new.key.personal").exists()
    assert place.verified() == 4


def test_a_reason_that_cannot_be_recorded_leaves_no_key(place: Place) -> None:
    refused(place.run("audit", "rotate-key", "--new-key", "new.key", "--reason", "e\u0301"), "not-nfc")
    assert list(place.home.glob("new.key*")) == []
    assert place.verified() == 3


def test_no_ledger_is_made(place: Place) -> None:
    url = f"sqlite:///{place.home}/none.db"
    refused(place.run("audit", "rotate-key", "--new-key", "k", "--ledger", url), "ledger-missing")
    assert not (place.home / "none.db").exists()
    assert not (place.home / "k").exists()


def test_the_entry_says_what_was_done(place: Place) -> None:
    place.run("audit", "rotate-key", "--new-key", "new.key", "--reason", "the laptop was lost")
    listed = json.loads(place.run("audit", "list", "--type", "key-rotation", "-o", "json").stdout)
    assert b"the laptop was lost" in place.run("audit", "show", "3", "--raw").stdout
    assert listed


def test_a_receipt_verifies_by_the_key_of_its_time_alone(place: Place) -> None:
    with open_ledger(place.url, read_only=True) as ledger:
        key = str(ledger.verifier_key)
    done = place.run("audit", "rotate-key", "--new-key", str(place.home / "new.key"))
    for index in (1, 3):
        files = ("--to", f"{index}.tlog-proof", "--entry", f"{index}.json")
        assert place.run("audit", "prove", str(index), *files).returncode == 0
    shutil.move(place.home / "new.key", place.path.with_name("ledger.db.key"))
    assert place.evaluate().returncode == 0
    assert place.run("audit", "prove", "4", "--to", "4.tlog-proof", "--entry", "4.json").returncode == 0

    def check(index: int, vkey: str) -> subprocess.CompletedProcess[bytes]:
        files = ("--check", f"{index}.tlog-proof", "--entry", f"{index}.json")
        return place.run("audit", "prove", *files, "--vkey", vkey)

    assert [check(index, key).returncode for index in (1, 3, 4)] == [0, 0, 6]
    assert [check(index, vkey(done.stdout)).returncode for index in (1, 3, 4)] == [6, 0, 0]
    refusal = check(4, key).stderr.decode()
    assert "[no-known-signature]" in refusal
    said = " ".join(refusal.split())
    assert "pin both keys, the one from before and the new one that was announced" in said
    assert "or follow the rotation in an export" in said
    assert place.run("audit", "export", "out").returncode == 0
    alone = [sys.executable, "-m", "policy_audit.verify", "out", "--vkey", key, "--kept", "4.tlog-proof"]
    found = subprocess.run(alone, cwd=place.home, env=place.environment, capture_output=True, check=False)
    assert found.returncode == 0, found.stdout
