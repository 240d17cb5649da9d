"""`--ledger-vkey`: with it no ledger is made, and none is used but the one of that key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.keys import generate_signer
from policy_audit.ledger import open_ledger

from tests.unit.cli.given import ALLOWED

Run = Callable[..., Any]
OTHER = generate_signer().verifier_key
RECORDING = (
    ("evaluate", str(ALLOWED), "-q"),
    ("gate", str(ALLOWED), "-q"),
    ("audit", "hold", "place", "--all", "--reason", "x"),
    ("audit", "erase", "olga.owner@acme.example", "--reason", "x"),
    ("audit", "rotate-key", "--new-key", "new.key"),
    ("audit", "verify", "--record"),
    ("audit", "export", "out", "--format", "csv"),
    ("audit", "list", "--record-query"),
    ("rules", "activate", "ours", "--reason", "x"),
)


def key_of(ledger: Path) -> str:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return str(opened.verifier_key)


def size_of(ledger: Path) -> int:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return len(opened.list_entries())


@pytest.mark.parametrize("command", RECORDING, ids=lambda command: " ".join(command[:2]))
def test_nothing_is_recorded_in_another_ledger(
    policy: Run, ledger: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    done = policy(*command, "--ledger-vkey", OTHER)
    assert done.status == 6, (done.out, done.err)
    assert size_of(ledger) == 4
    assert not (tmp_path / "new.key").exists()
    if command[1] != "verify":  # which says step by step what is wrong
        assert "[ledger-pinned]" in done.err
        assert key_of(ledger).split("+")[1] in done.err, "which key the ledger has"
        assert done.out == ""


@pytest.mark.parametrize("command", [*RECORDING[:2], ("audit", "list"), ("db", "upgrade")], ids=" ".join)
def test_an_empty_file_is_no_ledger_of_the_key(policy: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "empty.db").touch()
    done = policy(*command, "--ledger", f"sqlite:///{tmp_path}/empty.db", "--ledger-vkey", OTHER)
    assert done.status == 6, (done.out, done.err)
    assert "[ledger-pinned]" in done.err
    assert (tmp_path / "empty.db").stat().st_size == 0


@pytest.mark.parametrize("command", [*RECORDING[:2], ("audit", "list"), ("db", "upgrade")], ids=" ".join)
def test_nothing_is_made_where_a_place_is_mistyped(policy: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    done = policy(*command, "--ledger", f"sqlite:///{tmp_path}/mistyped.db", "--ledger-vkey", OTHER)
    assert done.status == 6, (done.out, done.err)
    assert "[ledger-pinned]" in done.err
    assert done.out == ""
    assert not list(tmp_path.glob("mistyped.db*"))


def test_in_memory_there_is_no_ledger_to_pin(policy: Run) -> None:
    done = policy("gate", str(ALLOWED), "--ledger", "sqlite:///:memory:", "--ledger-vkey", OTHER)
    assert (done.status, done.out) == (6, "")


def test_flag_environment_and_settings(
    policy: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert policy("evaluate", str(ALLOWED), "-q", "--ledger-vkey", key_of(ledger)).status == 0
    monkeypatch.setenv("POLICY_LEDGER_VKEY", OTHER)
    assert policy("evaluate", str(ALLOWED), "-q").status == 6
    assert policy("evaluate", str(ALLOWED), "-q", "--ledger-vkey", key_of(ledger)).status == 0
    monkeypatch.delenv("POLICY_LEDGER_VKEY")
    (tmp_path / "policy.toml").write_text(f'ledger_vkey = "{OTHER}"\n', encoding="utf-8")
    assert policy("evaluate", str(ALLOWED), "-q").status == 6
    assert policy("audit", "list", "--ledger-vkey", "no key").status == 2
    (tmp_path / "policy.toml").write_text('ledger_vkey = "no key"\n', encoding="utf-8")
    assert policy("audit", "list").status == 2


def test_a_policy_toml_beside_the_judged_file_pins_nothing_for_the_gate(
    policy: Run, ledger: Path, tmp_path: Path
) -> None:
    """Its subject could otherwise pin the key of a ledger of its own, and call the gate's refusal an outage."""
    shutil.copy2(ALLOWED, tmp_path / "w.yaml")
    (tmp_path / "policy.toml").write_text(f'ledger_vkey = "{OTHER}"\n', encoding="utf-8")
    given = ("--ledger", f"sqlite:///{ledger}", "-q")
    assert policy("gate", str(tmp_path / "w.yaml"), *given).status == 0
    assert policy("evaluate", str(tmp_path / "w.yaml"), *given).status == 6


def test_after_a_rotation_the_old_key_does_and_the_new_one_is_named(policy: Run, ledger: Path) -> None:
    old = key_of(ledger)
    assert policy("audit", "rotate-key", "--new-key", "new.key", "--ledger-vkey", old).status == 0
    for name in ("new.key", "new.key.personal"):
        shutil.move(name, f"{ledger}{name.removeprefix('new')}")
    new = key_of(ledger)
    done = policy("audit", "hold", "list", "--ledger-vkey", old)
    assert done.status == 0
    assert done.err == f"the pinned key was replaced by a rotation on record; pin the new one: {new}\n"
    assert policy("audit", "hold", "place", "--all", "--reason", "x", "--ledger-vkey", old).err.count(new) == 1
    assert policy("audit", "hold", "list", "--ledger-vkey", new).err == ""


def test_verify_takes_the_pinned_key_for_one_that_was_given(policy: Run, ledger: Path) -> None:
    found = policy("audit", "verify", "--ledger-vkey", key_of(ledger), "-o", "json")
    assert (found.status, found.json["pinned"]) == (0, "given")
    other = policy("audit", "verify", "--ledger-vkey", OTHER, "-o", "json")
    assert (other.status, other.json["ok"]) == (6, False)


def test_a_new_ledger_is_plainly_called_new_where_nobody_sits(
    policy: Run, nobody_there: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    place = tmp_path / "mistyped.db"
    done = policy("gate", str(ALLOWED), "--ledger", f"sqlite:///{place}", "-q")
    assert done.status == 0, "by contract it is made at first use"
    new, key, nothing = done.err.splitlines()
    assert new == f"new ledger {place}"
    assert key == f"verifier key, pin it where you verify: {key_of(place)}"
    assert nothing.startswith("nothing was on record there before")
    assert "--ledger-vkey KEY" in nothing
    assert policy("gate", str(ALLOWED), "--ledger", f"sqlite:///{place}", "-q").err == ""
