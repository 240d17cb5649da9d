"""Disk full, read-only, locked, damaged: the ledger refuses, says why, and stays valid."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from policy_audit import database
from policy_audit.errors import LedgerError, SigningKeyError
from policy_audit.ledger import Draft, EntryType, Ledger, Recorded, open_ledger

HOLD = Draft(EntryType.HOLD)
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def big(number: int) -> Draft:
    return Draft(EntryType.HOLD, body={"n": number}, blobs={"big": os.urandom(40_000)})


def fill(ledger: Ledger, recorded: list[Recorded]) -> None:
    """Append until the ledger refuses."""
    recorded.extend(ledger.append(big(number)) for number in range(100))


def refused(ledger: Ledger, *codes: str) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger.append(HOLD)
    assert caught.value.code in codes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        not (IS_ROOT and mount)
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("cannot mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_withholds_the_entry_and_the_ledger_stays_valid(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/ledger.db"
    with open_ledger(url) as ledger:
        recorded: list[Recorded] = []
        with pytest.raises(LedgerError) as caught:
            fill(ledger, recorded)
        assert caught.value.code in {"ledger-disk-full", "ledger-io"}
        assert recorded
        assert len(ledger.list_entries()) == len(recorded)
        report = ledger.verify()
        assert report.ok, report.problems
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        assert ledger.append(HOLD).index == len(recorded)
        assert ledger.verify().ok


def test_a_ledger_is_not_half_made_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(1024 * 1024 - 16 * 4096))
    url = f"sqlite:///{small_disk}/ledger.db"
    with pytest.raises(LedgerError):
        open_ledger(url)
    assert not (small_disk / "ledger.db.key").exists()
    (small_disk / "ballast").unlink()
    with open_ledger(url) as ledger:
        assert ledger.created_verifier_key
        assert ledger.verify().ok


def test_a_limit_on_the_size_of_files_withholds_the_entry(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_ledger(url) as ledger:
        ledger.append(HOLD)
        size = max(file.stat().st_size for file in tmp_path.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60_000, hard))
        try:
            with pytest.raises(LedgerError) as caught:
                fill(ledger, [])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.code in {"ledger-disk-full", "ledger-io"}
        assert ledger.verify().ok
        ledger.append(HOLD)
        assert ledger.verify().ok


def test_a_locked_ledger_refuses_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused(ledger, "ledger-locked")
        assert ledger.verify().ok, "readers do not wait"
        other.execute("ROLLBACK")
        other.close()
        assert ledger.append(HOLD).index == 0


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append_many([big(number) for number in range(20)])
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = bytes(len(data) // 2 - 4096)
    path.write_bytes(data)
    with pytest.raises(LedgerError) as caught, open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(HOLD)
    assert caught.value.code in {"ledger-corrupt", "ledger-tampered", "ledger-database", "not-a-ledger"}


@contextmanager
def nobody() -> Iterator[None]:
    """Have the rights of another user."""
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.skipif(not IS_ROOT, reason="another user is needed")
@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_another_user_reads_and_verifies_where_it_may_not_write(open_elsewhere: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/ledger.db"
        owner = open_ledger(url)
        owner.append_many([HOLD, HOLD])
        if not open_elsewhere:
            owner.close()
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o600 if file.suffix in (".key", ".personal") else 0o644)
        with nobody():
            with open_ledger(url, read_only=True) as ledger:
                assert ledger.origin is None
                assert ledger.entry(1).index == 1
                assert ledger.verify([str(owner.verifier_key)]).ok
            with pytest.raises(SigningKeyError, match="Permission denied"):
                open_ledger(url)
        with open_ledger(url) as ledger:
            assert ledger.append(HOLD).index == 2
        owner.close()


@pytest.mark.skipif(not IS_ROOT, reason="another user is needed")
def test_a_folder_without_rights_is_refused_with_the_reason() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with nobody(), pytest.raises(LedgerError) as caught:
            open_ledger(f"sqlite:///{name}/ledger.db")
        assert caught.value.code == "ledger-unwritable"
        assert list(Path(name).iterdir()) == []


def test_a_read_only_file_system_is_read_and_not_written(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/ledger.db"
    with open_ledger(url) as ledger:
        ledger.append(HOLD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with open_ledger(url) as ledger:
        assert ledger.entry(0).index == 0
        assert ledger.verify().ok
        refused(ledger, "ledger-read-only")
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"sqlite:///{small_disk}/new.db")
    assert caught.value.code == "ledger-unwritable"
    assert "Read-only" in caught.value.message


def test_a_ledger_that_vanishes_while_open_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(HOLD)
    path.unlink()
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"sqlite:///{path}")
    assert caught.value.code == "ledger-gone"
