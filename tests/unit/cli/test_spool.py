"""`--ledger spool:DIR`: decisions of a runner without a ledger; written, then shown, or neither."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.spools import entry_bytes, files, leaf_of, read
from tests.unit.cli.given import ALLOWED, DENIED, EXAMPLES, REVIEWED
from tests.unit.waivers.making import ANN, file_of

Policy = Callable[..., Any]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def context(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry_bytes(read(path)))["context"]
    return found


@pytest.mark.parametrize(
    ("file", "status"), [(ALLOWED, 0), (DENIED, 1), (REVIEWED, 5)], ids=["allow", "deny", "review"]
)
def test_a_gate_decides_as_ever_and_needs_no_key(policy: Policy, spool: Path, file: Path, status: int) -> None:
    done = policy("gate", str(file), "--ledger", f"spool:{spool}", "-o", "json")
    assert done.status == status, done.err
    assert done.err == ""
    (path,) = files(spool)
    raw = entry_bytes(read(path))
    said = done.json["ledger"]
    assert (said["status"], said["file"], said["leaf_hash"]) == ("spooled", path.name, leaf_of(raw))
    assert not {"index", "tree_size"} & said.keys()
    assert json.loads(raw)["view"]["decision_id"] == done.json["id"]
    assert not [each for each in spool.parent.rglob("*") if ".db" in each.name or ".key" in each.name]


@pytest.mark.parametrize("format_", ["text", "markdown", "yaml"])
def test_every_format_says_that_it_is_spooled(policy: Policy, spool: Path, format_: str) -> None:
    done = policy("evaluate", str(ALLOWED), "--ledger", f"spool:{spool}", "-o", format_)
    assert done.status == 0
    assert "pooled" in done.out
    assert read(files(spool)[0])["entries"][0]["leaf_hash"][:16] in done.out
    assert "Ledger entry" not in done.out


def test_the_decisions_of_a_call_are_numbered(policy: Policy, spool: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Pod\n", encoding="utf-8")
    given = [str(ALLOWED), str(tmp_path / "bad.yaml"), str(DENIED)]
    done = policy("gate", *given, "--ledger", f"spool:{spool}", "-o", "json")
    assert done.status == 2
    assert [(each["ledger"]["n"], each["ledger"]["of"]) for each in done.json] == [(1, 2), (2, 2)]
    assert policy("evaluate", str(ALLOWED), "--ledger", f"spool:{spool}", "-q").status == 0
    assert len({read(path)["call"]["call"] for path in files(spool)}) == 2
    assert len(files(spool)) == 3
    assert len(list((spool / "blobs").iterdir())) == 3, "rules, layers and catalog, once for all"


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gate"}
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_ID": "4711", "CI_JOB_ID": "99"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (GITHUB, {"run": "4711", "attempt": "2", "job": "gate"}),
        (GITLAB, {"run": "4711", "job": "99"}),
        ({"POLICY_RUN": "nightly"}, {"run": "nightly"}),
    ],
    ids=["github", "gitlab", "else"],
)
def test_the_run_is_that_of_the_ci_system(
    policy: Policy, spool: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        assert policy("evaluate", str(ALLOWED), "--ledger", f"spool:{spool}", "-q").status == 0
    calls = [read(path)["call"] for path in files(spool)]
    assert calls[0].pop("call") != calls[1].pop("call"), "two calls of one job are two"
    assert calls == [expected, expected]
    for path in files(spool):
        assert context(path)["run"] == json.loads(entry_bytes(read(path)))["view"]["run"] == expected["run"]


def test_without_a_ci_system_the_run_is_random(policy: Policy, spool: Path) -> None:
    for _ in range(2):
        assert policy("evaluate", str(ALLOWED), "--ledger", f"spool:{spool}", "-q").status == 0
    runs = {context(path)["run"] for path in files(spool)}
    assert len(runs) == 2
    assert all(run.startswith("local-") for run in runs)


@pytest.mark.parametrize(("command", "call"), [("gate", 0), ("evaluate", 3), ("evaluate", 6)])
def test_a_full_disk_shows_nothing(
    policy: Policy, spool: Path, monkeypatch: pytest.MonkeyPatch, command: str, call: int
) -> None:
    fsync, counted = os.fsync, [0]

    def full(descriptor: int) -> None:
        counted[0] += 1
        if counted[0] > call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    done = policy(command, str(ALLOWED), str(DENIED), "--ledger", f"spool:{spool}")
    assert (done.status, done.out) == (6, "")
    assert "[spool-full]" in done.err
    assert "no space left" in done.err
    assert files(spool) == []


@pytest.mark.parametrize("place", ["missing", "file", "blobs"])
def test_what_takes_no_files_shows_nothing(policy: Policy, spool: Path, place: str) -> None:
    (spool / "file").write_bytes(b"")
    if place == "blobs":
        (spool / "blobs").write_bytes(b"")
    where = spool if place == "blobs" else spool / place
    done = policy("evaluate", str(ALLOWED), "--ledger", f"spool:{where}", "-o", f"json={spool.parent / 'report.json'}")
    assert (done.status, done.out) == (6, "")
    assert "[spool-unwritable]" in done.err
    assert not (spool.parent / "report.json").exists()
    assert not files(spool)
    assert not (spool / "missing").exists()


def test_a_spool_in_the_settings_counts_for_evaluate(policy: Policy, spool: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f'ledger = "spool:{spool}"\n', encoding="utf-8")
    assert policy("evaluate", str(ALLOWED), "-q").status == 0
    assert len(files(spool)) == 1


def test_in_ci_a_spool_is_a_choice(policy: Policy, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    done = policy("gate", str(ALLOWED))
    assert done.status == 2
    assert "spool:DIR" in done.err
    assert policy("gate", str(ALLOWED), "--ledger", f"spool:{spool}", "-q").status == 0
    assert policy("gate", str(ALLOWED), "--ledger", f"spool:{spool}", "--at", "2026-11-22T09:00:00Z").status == 2


READING = (
    ("audit", "list"),
    ("audit", "verify"),
    ("audit", "collect", "."),
    ("audit", "anchor", "--to", "file:x"),
    ("explain", "abcd"),
    ("sweep", str(EXAMPLES), "--to", "y.jsonl", "--record"),
    ("waiver", "list"),
    ("diff", "a", "b"),
    ("db", "upgrade"),
    ("rules", "activations"),
)


@pytest.mark.parametrize("command", READING, ids=lambda command: "-".join(command[:2]))
def test_what_reads_a_ledger_refuses_a_spool(policy: Policy, spool: Path, command: tuple[str, ...]) -> None:
    done = policy(*command, "--ledger", f"spool:{spool}")
    assert done.status == 2, done.err
    assert "a spool is no ledger" in done.err
    assert "policy audit collect DIR" in done.err


def test_a_pinned_key_refuses_a_spool(policy: Policy, spool: Path, ledger: Path) -> None:
    from policy_audit.ledger import open_ledger

    with open_ledger(f"sqlite:///{ledger}", read_only=False) as opened:
        key = str(opened.verifier_key)
    done = policy("gate", str(ALLOWED), "--ledger", f"spool:{spool}", "--ledger-vkey", key)
    assert (done.status, done.out) == (6, "")
    assert "[ledger-pinned]" in done.err
    assert files(spool) == []


def test_a_report_is_not_written_into_the_spool(policy: Policy, spool: Path) -> None:
    done = policy("gate", str(ALLOWED), "--ledger", f"spool:{spool}", "-o", f"json={spool / 'report.json'}")
    assert done.status == 2
    assert "no place for its report" in done.err
    assert list(spool.iterdir()) == []


def test_that_no_waiver_is_looked_for_is_said_once(policy: Policy, spool: Path, tmp_path: Path) -> None:
    layer = tmp_path / "acme"
    layer.mkdir()
    (layer / "approvers.yaml").write_text(file_of(ANN.entry()), encoding="utf-8")
    given = [str(ALLOWED), str(DENIED), "--policy", str(layer), "--ledger", f"spool:{spool}", "-q"]
    done = policy("evaluate", *given)
    assert done.status == 0
    assert done.err.count("a spool holds nothing to read") == 1
    assert "a spool holds" not in policy("evaluate", str(ALLOWED), "--ledger", f"spool:{spool}", "-q").err


def test_a_bare_index_is_no_evidence_without_a_ledger(policy: Policy, spool: Path, tmp_path: Path) -> None:
    """Entry 0 of a ledger elsewhere: what cannot be read counts as if it were not there."""
    text = (EXAMPLES / "hospital.yaml").read_text(encoding="utf-8")
    assert "  evidence:" in text
    path = tmp_path / "w.yaml"
    path.write_text(text.replace("  evidence:\n", "  evidence:\n    dpa: {ledger_index: 0}\n"), encoding="utf-8")
    done = policy("evaluate", str(path), "--ledger", f"spool:{spool}", "-o", "json")
    assert done.status == 0, done.err
    assert "a bare ledger_index counts only in the ledger" in done.out
    assert len(files(spool)) == 1
