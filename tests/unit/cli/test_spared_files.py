"""A report never takes the place of what the run reads or records to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import ALLOWED, AT

Policy = Callable[..., Any]
NEW = ("--name", "x", "--owner", "o@x.example", "--stage", "pilot", "--task-name", "t", "--task-kind", "coding")


@pytest.mark.parametrize("command", ["evaluate", "gate"])
@pytest.mark.parametrize(
    "target",
    [
        "w.yaml",
        "./sub/../w.yaml",
        "link.json",
        "new.db",
        "new.db-wal",
        "new.db.key",
        "acme/parameters.yaml",
        "acme/x.json",
    ],
)
def test_what_a_run_reads_or_records_to_is_spared(command: str, target: str, policy: Policy, tmp_path: Path) -> None:
    shutil.copy(ALLOWED, tmp_path / "w.yaml")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "w.yaml")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "parameters.yaml").write_text(
        "parameters:\n  self_hosting_spend_usd_per_month: {value: 9000.0}\n", encoding="utf-8"
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    ledger = ("--ledger", f"sqlite:///{tmp_path}/new.db")
    found = policy(command, "w.yaml", "-o", f"json={target}", "-o", "text", "--policy", "acme", *ledger)
    assert (found.status, found.out) == (2, "")
    assert "is read or recorded to by this run, and no place for its report [cannot-write]" in found.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == before
    assert not (tmp_path / "new.db").exists()


def test_a_key_of_another_name_is_spared(policy: Policy, ledger: Path, tmp_path: Path) -> None:
    key = tmp_path / "elsewhere.key"
    (tmp_path / "ledger.db.key").rename(key)
    content = key.read_bytes()
    found = policy("evaluate", str(ALLOWED), "--ledger-key", str(key), "-o", f"json={key}")
    assert found.status == 2
    assert key.read_bytes() == content


@pytest.mark.parametrize(
    "command",
    [
        ("rules", "list"),
        ("audit", "list"),
        ("audit", "verify"),
        ("evaluate", str(ALLOWED), *AT, "--ledger", "sqlite:///:memory:"),
    ],
)
@pytest.mark.parametrize("name", ["ledger.db", "ledger.db.key", "ledger.db.key.personal"])
def test_a_ledger_or_key_is_spared_by_every_command(
    command: tuple[str, ...], name: str, policy: Policy, ledger: Path
) -> None:
    place = ledger.with_name(name)
    before = place.read_bytes()
    found = policy(*command, "-o", f"json={place}")
    assert found.status == 2
    assert "it is a ledger or a key [cannot-write]" in found.err
    assert place.read_bytes() == before


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db.key", "ledger.db.key.personal", "kms.key", "x-wal"])
@pytest.mark.parametrize(
    "command",
    [
        ("audit", "prove", "0", "--to"),
        ("audit", "prove", "0", "--to", "p", "--entry"),
        ("audit", "show", "0", "--receipt"),
        ("new", "--force", *NEW, "--to"),
    ],
)
def test_nothing_else_that_is_written_takes_their_place(
    command: tuple[str, ...], name: str, policy: Policy, ledger: Path
) -> None:
    place = ledger.with_name(name)
    if not place.exists():
        begins = b"7\x7f\x06\x82" if name == "x-wal" else b"policy-audit/signing-program/v1\n"
        place.write_bytes(begins + b"rest")
    before = place.read_bytes()
    found = policy(*command, str(place))
    assert (found.status, "it is a ledger or a key" in found.err) == (2, True), found.err
    assert place.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [("audit", "list", "-o", "json={}"), ("audit", "prove", "0", "--to", "{}"), ("new", "--force", *NEW, "--to", "{}")],
)
def test_a_pipe_takes_what_is_written_and_stays_one(
    command: tuple[str, ...], policy: Policy, ledger: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = policy(*(each.format(pipe) for each in command))
        assert found.status == 0, found.err
        assert os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_an_open_pipe_without_a_name_takes_a_report(policy: Policy, ledger: Path) -> None:
    """As a shell's `>(command)` makes."""
    reader, writer = os.pipe()
    try:
        found = policy("audit", "list", "-o", f"json=/dev/fd/{writer}")
        assert found.status == 0, found.err
        assert os.read(reader, 1 << 16).startswith(b"{")
    finally:
        os.close(reader)
        os.close(writer)


def test_a_report_may_take_the_place_of_an_older_one(policy: Policy, tmp_path: Path) -> None:
    place = tmp_path / "decision.json"
    for _ in range(2):
        assert policy("evaluate", str(ALLOWED), *AT, "-o", f"json={place}").status == 0
        assert place.read_bytes().startswith(b"{")
