"""Every way in which a gate has been seen to pass when it was broken: each has its status, and none of them is 0."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_audit import database

from policy_engine.cli.main import call
from tests.unit.cli.broken_gates import MEMORY, WAYS, Policy, Site, Way
from tests.unit.cli.given import ALLOWED


@pytest.fixture(scope="session")
def working(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gate that passes: what is broken in its copies works here."""
    folder = tmp_path_factory.mktemp("working")
    shutil.copy(ALLOWED, folder / "w.yaml")
    assert call(["gate", str(folder / "w.yaml"), "--ledger", f"sqlite:///{folder}/ledger.db", "-q"]) == 0
    return folder


@pytest.fixture
def site(tmp_path: Path, working: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    shutil.copytree(working, folder)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    found = Site(folder, monkeypatch, policy)
    yield found
    for undo in found.undo:
        undo()


@pytest.mark.parametrize("name", WAYS)
def test_a_broken_gate_is_never_green(site: Site, policy: Policy, name: str) -> None:
    status, code, break_it = WAYS[name]
    done = policy("gate", *break_it(site))
    assert done.status == status, done.err
    assert f"[{code}]" in done.err
    assert "Traceback" not in done.err
    if status in (3, 6):
        assert done.out == "", "nothing is handed out that is not recorded"


def test_every_status_of_failure_is_in_the_table() -> None:
    assert {status for status, _, _ in WAYS.values()} == {2, 3, 6, 7}


@pytest.mark.parametrize("name", ["the_layer_is_empty", "memory_runs_out", "the_ledger_is_locked"])
def test_no_report_of_an_earlier_run_is_left(site: Site, policy: Policy, name: str) -> None:
    """What is left behind would be taken for this run's, and that one was green."""
    report = site.folder / "r.json"
    output = ("-o", f"json={report}")
    assert policy("gate", site.workload, *site.ledger, *output).status == 0
    assert report.exists()
    status, _, break_it = WAYS[name]
    assert policy("gate", *break_it(site), *output).status == status
    assert not report.exists()


def test_a_report_that_is_a_device_or_a_link_is_not_taken_away(site: Site, policy: Policy) -> None:
    target = site.folder / "elsewhere.json"
    target.write_text("{}", encoding="utf-8")
    (site.folder / "link.json").symlink_to(target)
    policy("gate", str(site.folder / "none.yaml"), *MEMORY, "-o", f"json={site.folder}/link.json")
    assert target.read_text(encoding="utf-8") == "{}"
    assert policy("gate", site.workload, *MEMORY, "-o", f"json={os.devnull}").status == 0
    assert Path(os.devnull).exists()


def test_one_broken_report_keeps_none_of_the_others_from_being_written(
    site: Site, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(value: Any) -> str:
        raise TypeError("broken")

    monkeypatch.setattr("policy_engine.cli.reports.to_json", crash)
    outputs = ("-o", f"json={site.folder}/r.json", "-o", f"yaml={site.folder}/r.yaml", "-o", "text")
    done = policy("gate", site.workload, *MEMORY, *outputs)
    assert done.status == 7
    assert done.out.startswith("ALLOW")
    assert "verdict: allow" in (site.folder / "r.yaml").read_text(encoding="utf-8")
    assert not (site.folder / "r.json").exists()


def test_a_shell_that_completes_is_answered_and_no_command_is_skipped_for_it(
    site: Site, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that asks for completion would else end every command at once, with 0."""
    file = str(ALLOWED.with_name("leaking-fallback.yaml"))
    assert policy("gate", file, *MEMORY, "-q").status == 1
    monkeypatch.setenv("_POLICY_COMPLETE", "bash_source")
    assert policy("gate", file, *MEMORY, "-q").status == 1
    monkeypatch.setenv("_POLICY_COMPLETE", "bash_source")
    done = policy()
    assert (done.status, "complete" in done.out) == (0, True)


def test_help_alone_is_help(policy: Policy, tmp_path: Path) -> None:
    for word in ("--help", "-h"):
        done = policy("gate", word)
        assert (done.status, done.out[:6]) == (0, "Usage:")
    assert policy("gate", *MEMORY, "--", "--help").status == 2, "no such file"


@pytest.mark.parametrize("words", [("-qh",), ("-hq",), ("-o", "--", "--help"), ("-h", "-q")])
@pytest.mark.parametrize("command", ["gate", "evaluate"])
def test_no_spelling_of_help_passes_for_a_verdict(
    site: Site, policy: Policy, words: tuple[str, ...], command: str
) -> None:
    done = policy(command, site.workload, *MEMORY, *words)
    assert (done.status, done.out) == (2, "")


FAILING: dict[str, Way] = {
    "no revision": lambda site: ("--since", "nope"),
    "no baseline": lambda site: ("--baseline", str(site.folder / "none.yaml")),
    "no key": lambda site: ("--attest-key", str(site.folder / "none.key")),
    "another time": lambda site: ("--at", "2020-01-01T00:00:00Z"),
    "bad rules": lambda site: ("--policy", str(site.folder / "none")),
}


@pytest.mark.parametrize("name", FAILING)
def test_no_attestation_of_an_earlier_run_is_left(site: Site, policy: Policy, name: str) -> None:
    """A deployer would take it for this run's, which failed."""
    attested = site.folder / "a.jsonl"
    run = ("gate", site.workload, *site.ledger, "--attest", str(attested), "-q")
    assert policy(*run).status == 0
    assert attested.exists()
    assert policy(*run, *FAILING[name](site)).status in (2, 3)
    assert not attested.exists()
