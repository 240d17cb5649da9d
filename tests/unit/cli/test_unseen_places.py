"""Places that cannot be seen, as in a folder that may not be entered, end in an error of their own, not in status 7.

Root may enter every folder: a name that is too long stands for one, for the system refuses to look at it as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_audit import verify
from policy_audit.ledger import open_ledger

from tests.unit.cli.given import MEMORY

Policy = Callable[..., Any]
UNSEEN = "x" * 300


def test_a_workload_that_cannot_be_seen_keeps_no_other_from_being_decided(
    policy: Policy, workload: Callable[..., Path]
) -> None:
    for command in ("evaluate", "gate"):
        done = policy(command, UNSEEN, str(workload()), "-q", *MEMORY)
        assert (done.status, "[file-unreadable]" in done.err) == (2, True), done.err
        assert done.out.strip()


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("list", "-o", f"json={UNSEEN}/x.json"), 2, "cannot-write"),
        (("verify", "--kept", UNSEEN), 2, "file-unreadable"),
        (("restored", "--from", "b", "--reason", "r", "--kept", UNSEEN), 2, "file-unreadable"),
        (("rotate-key", "--new-key", UNSEEN), 6, "signing-key"),
        (("replay", "0", "--policy", UNSEEN), 3, "no-layer"),
        (("retention", "--policy", UNSEEN), 3, "no-layer"),
        (("dispose", "--reason", "r", "--policy", UNSEEN), 3, "no-layer"),
    ],
)
def test_other_places(policy: Policy, ledger: Path, arguments: tuple[str, ...], status: int, code: str) -> None:
    done = policy("audit", *arguments)
    assert (done.status, f"[{code}]" in done.err) == (status, True), done.err


def test_a_key_that_cannot_be_seen_is_named(policy: Policy, workload: Callable[..., Path]) -> None:
    done = policy("evaluate", str(workload()), "--ledger-key", UNSEEN)
    assert (done.status, done.out) == (6, "")
    assert "the ledger cannot be opened: `" in done.err
    assert f"{UNSEEN}`: file name too long [ledger-unwritable]" in done.err


def test_folders_to_verify(policy: Policy, ledger: Path) -> None:
    with open_ledger(f"sqlite:///{ledger}") as there:
        key = there.verifier_key
    assert key is not None
    assert "[file-unreadable]" in policy("audit", "export-check", UNSEEN, "--vkey", key).err
    with pytest.raises(SystemExit) as left:
        verify.main([UNSEEN, "--vkey", key])
    assert left.value.code == 2


def test_a_policy_toml_that_may_be_there_is_not_passed_over(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    done = policy("audit", "list")
    assert (done.status, "policy.toml`: permission denied [bad-settings]" in done.err) == (2, True), done.err


def test_a_folder_of_a_layer_that_cannot_be_read_is_not_left_out(
    policy: Policy, workload: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = tmp_path / "ours"
    (layer / "latency").mkdir(parents=True)
    (layer / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    scan = os.scandir

    def refuse(path: Any = ".") -> Iterator[Any]:
        if str(path).endswith("latency") and str(path).startswith(str(layer)):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    done = policy("evaluate", str(workload()), "--policy", str(layer), *MEMORY)
    assert (done.status, "cannot read the folder: permission denied [file-unreadable]" in done.err) == (3, True)
