"""The command line on ledgers that cannot be written, in processes of its own: it refuses, and shows nothing."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.place import Place, refused

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
pytestmark = pytest.mark.slow


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
