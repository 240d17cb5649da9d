"""Anchors in a bare repository: pushed, never forced; a branch that was rewritten is an alarm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from policy_audit import bounded
from policy_audit.anchors import git
from policy_audit.anchors.git import GitAnchor
from policy_audit.anchors.place import file_name, parse_place
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import AnchorError

from tests.integration.anchoring import HELD, Anchored, results
from tests.integration.tampering import in_file_alone

IDENTITY = {f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **IDENTITY}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, input=given, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    made = tmp_path / "anchors.git"
    made.mkdir()
    run(made, "init", "--quiet", "--bare")
    return made


def log(bare: Path) -> list[str]:
    return run(bare, "log", "--format=%s", "ledger").splitlines()


def test_each_checkpoint_is_a_commit(anchored: Anchored, bare: Path) -> None:
    place = f"git:{bare}#ledger"
    assert results(anchored.anchor(place)) == HELD
    assert results(anchored.anchor(place)) == HELD
    anchored.grow(20, 21)
    assert results(anchored.anchor(place)) == HELD
    assert log(bare) == ["checkpoint of 14 entries", "checkpoint of 11 entries"]
    shown = run(bare, "show", f"ledger:{file_name(anchored.origin)}/checkpoint")
    assert parse_checkpoint(shown + "\n").size == 14
    receipts = [body["receipt"] for body in anchored.entries()]
    assert [each["commit"] for each in receipts] == run(bare, "rev-list", "--reverse", "ledger").split()  # type: ignore[index]
    assert [parse_checkpoint(note).size for note in GitAnchor(parse_place(place)).held(anchored.origin)] == [11, 14]


@in_file_alone
def test_what_others_keep_on_the_branch_stays(anchored: Anchored, bare: Path, tmp_path: Path) -> None:
    place = f"git:file://{bare}#ledger"
    anchored.anchor(place)
    clone = tmp_path / "clone"
    run(tmp_path, "clone", "--quiet", "--branch", "ledger", str(bare), str(clone))
    (clone / "README").write_text("ours too\n", encoding="utf-8")
    run(clone, "add", "README")
    run(clone, "commit", "--quiet", "-m", "a word")
    run(clone, "push", "--quiet")
    anchored.grow(20)
    assert results(anchored.anchor(place)) == HELD
    assert run(bare, "show", "ledger:README") == "ours too"
    assert len(log(bare)) == 3


@in_file_alone
@pytest.mark.parametrize("first", [0, 1])
def test_a_merge_hides_no_checkpoint(anchored: Anchored, bare: Path, first: int) -> None:
    """Pushed without force, and with the honest history among its parents: what it does not show was anchored."""
    place = f"git:{bare}#ledger"
    back = anchored.backup()
    anchored.anchor(place)
    before = run(bare, "rev-parse", "ledger")
    anchored.grow(20, 21)
    anchored.anchor(place)
    back()  # the tail is dropped
    parents = [before, run(bare, "rev-parse", "ledger")]
    if first:
        parents.reverse()
    merge = run(bare, "commit-tree", "-p", parents[0], "-p", parents[1], "-m", "merge", f"{before}^{{tree}}")
    run(bare, "update-ref", "refs/heads/ledger", merge)
    assert len(log(bare)) == 3
    notes = GitAnchor(parse_place(place)).held(anchored.origin)
    assert [parse_checkpoint(note).size for note in notes] == [11, 14]


@in_file_alone
def test_a_branch_that_was_rewritten_is_an_alarm(anchored: Anchored, bare: Path) -> None:
    place = f"git:{bare}#ledger"
    anchored.anchor(place)
    anchored.grow(20)
    anchored.anchor(place)
    run(bare, "update-ref", "refs/heads/ledger", "ledger~1")
    anchored.grow(21)
    assert results(anchored.anchor(place)) == [("alarm", "anchor-rewritten")]
    assert len(log(bare)) == 1, "nothing is put on a history that is not ours"
    empty = run(bare, "hash-object", "-w", "-t", "tree", "--stdin", given=b"")
    other = run(bare, "commit-tree", "-m", "another history", empty)
    run(bare, "update-ref", "refs/heads/ledger", other)
    assert results(anchored.anchor(place)) == [("alarm", "anchor-rewritten")]
    run(bare, "update-ref", "-d", "refs/heads/ledger")
    assert results(anchored.anchor(place)) == [("alarm", "anchor-rewritten")]


def test_an_older_copy_of_the_ledger_is_found(anchored: Anchored, bare: Path) -> None:
    place = f"git:{bare}#ledger"
    restore = anchored.backup()
    anchored.grow(20)
    anchored.anchor(place)
    restore()
    assert results(anchored.anchor(place)) == [("alarm", "ledger-rolled-back")]
    anchored.grow(30, 31)
    assert results(anchored.anchor(place)) == [("alarm", "split-view")]
    assert len(log(bare)) == 1


@in_file_alone
def test_a_remote_that_diverges_while_we_push_is_not_overwritten(
    anchored: Anchored, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"git:{bare}#ledger"
    anchored.anchor(place)
    anchored.grow(20)
    commit, raced = git._Git.commit, []

    def late(self: git._Git, *arguments: object) -> str:
        made = commit(self, *arguments)  # type: ignore[arg-type]
        if not raced:
            tree = run(bare, "rev-parse", "ledger^{tree}")
            raced.append(run(bare, "commit-tree", "-m", "faster", "-p", "ledger", tree))
            run(bare, "update-ref", "refs/heads/ledger", raced[0])
        return made

    monkeypatch.setattr(git._Git, "commit", late)
    assert results(anchored.anchor(place)) == HELD
    assert log(bare) == ["checkpoint of 13 entries", "faster", "checkpoint of 11 entries"]


@in_file_alone
def test_what_is_no_checkpoint_on_the_branch_is_an_alarm(anchored: Anchored, bare: Path) -> None:
    blob = run(bare, "hash-object", "-w", "--stdin", given=b"nothing of the kind\n")
    inner = run(bare, "mktree", given=f"100644 blob {blob}\tcheckpoint\n".encode())
    outer = run(bare, "mktree", given=f"040000 tree {inner}\t{file_name(anchored.origin)}\n".encode())
    run(bare, "update-ref", "refs/heads/ledger", run(bare, "commit-tree", "-m", "x", outer))
    assert results(anchored.anchor(f"git:{bare}#ledger")) == [("alarm", "anchor-damaged")]


@in_file_alone
def test_a_remote_that_is_not_there_or_is_none_is_a_failure(anchored: Anchored, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("none.git", "folder"):
        (outcome,) = anchored.anchor(f"git:{tmp_path}/{name}#ledger")
        assert (outcome.result, outcome.code) == ("failed", "anchor-failed")
    (outcome,) = anchored.anchor("git:http://127.0.0.1:1/anchors.git#ledger")
    assert outcome.result == "failed"


@in_file_alone
def test_neither_hooks_nor_settings_around_us_are_run(
    anchored: Anchored, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "post-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", encoding="utf-8")
        (hooks / name).chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    monkeypatch.chdir(tmp_path)
    assert results(anchored.anchor(f"git:{bare}#ledger")) == HELD
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "place",
    [
        "git:ext::sh -c touch% pwned#main",
        "git:--upload-pack=touch pwned#main",
        "git:https://user:secret@example.com/x.git#main",
        "git:/srv/x.git#--force",
        "git:/srv/x.git#a..b",
        "git:/srv/x.git#+main",
        "git:/srv/x.git#a b",
        "git:#main",
        "git:http://[x#main",
        "witness:http://[x#y",
        "file:~nobody-by-this-name/x",
        "tsa:http://h/?q#x",
    ],
)
def test_a_place_that_would_run_something_is_none(place: str) -> None:
    with pytest.raises(AnchorError) as caught:
        parse_place(place)
    assert caught.value.code == "anchor-place"
    assert "secret" not in str(caught.value)


def _runs(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_a_program_that_hangs_or_babbles_is_ended(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"]}
    endless = [sys.executable, "-c", "while True: print('x' * 10000)"]
    with pytest.raises(AnchorError):
        bounded.run(endless, folder=tmp_path, environment=environment, seconds=30, most=100_000)
    # the grandchild holds the pipes open, and is ended with its session
    hanging = ["sh", "-c", "sleep 600 & echo $! > child; wait"]
    with pytest.raises(AnchorError, match="was not done"):
        bounded.run(hanging, folder=tmp_path, environment=environment, seconds=1)
    child = int((tmp_path / "child").read_text())
    ends = time.monotonic() + 30  # it was killed, and the machine may take its time to see to that
    while _runs(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _runs(child)
    with pytest.raises(AnchorError, match="cannot be started"):
        bounded.run(["no-such-program"], folder=tmp_path, environment=environment, seconds=1)
