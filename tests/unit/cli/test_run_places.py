"""What `policy gate` reads is never written over, and no two things that it writes go to one place."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.keys import generate_signer, write_key_file

from tests.unit.cli.conftest import DENIED
from tests.unit.cli.given import ALLOWED, MEMORY

Policy = Callable[..., Any]
EVIDENCE = """\
  evidence:
    dpa: {reference: DPA-1, file: docs/dpa.json, sha256: "%s", signature: docs/dpa.sig}
    hardware_attestation: {reference: HA-1, receipt: docs/ha.proof, entry: ../outside.json, ledger_index: 1}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in a folder, with a workload that names evidence; `policy.toml` lies above both."""
    folder = tmp_path / "site"
    (folder / "docs").mkdir(parents=True)
    shutil.copy(ALLOWED, folder / "w.yaml")
    with (folder / "w.yaml").open("a", encoding="utf-8") as stream:
        stream.write(EVIDENCE % ("0" * 64))
    for name in ("docs/dpa.json", "docs/dpa.sig", "docs/ha.proof", "../outside.json"):
        (folder / name).write_text(f"{{precious: {name}}}\n", encoding="utf-8")
    (folder / "docs" / "link.json").symlink_to("dpa.json")
    (folder / "b.yaml").write_text("apiVersion: policy-engine/v1\nkind: Baseline\nfindings: []\n", encoding="utf-8")
    (folder / "wv").mkdir()
    (tmp_path / "policy.toml").write_text('purpose = "draft"\n', encoding="utf-8")
    write_key_file(folder / "ci.key", generate_signer("ci"))
    monkeypatch.chdir(folder)
    return folder


def contents(site: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(site.parent.rglob("*")) if path.is_file()}


def ledger(site: Path) -> tuple[str, str]:
    return "--ledger", f"sqlite:///{site}/l.db"


@pytest.mark.parametrize("option", ["-o=json={}", "--attest={}", "--write-baseline={}", "SUMMARY={}"])
@pytest.mark.parametrize(
    "place",
    ["docs/dpa.json", "docs/link.json", "docs/dpa.sig", "docs/ha.proof", "../outside.json", "../policy.toml"],
)
def test_evidence_and_settings_are_spared(
    option: str, place: str, site: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(site)
    name, _, value = option.format(place).partition("=")
    given: tuple[str, ...] = (name, value)
    if name == "SUMMARY":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", value)
        given = ("-o", "github")
    reason = ("--reason", "x") if name == "--write-baseline" else ()
    found = policy("gate", "w.yaml", *ledger(site), *given, *reason)
    assert (found.status, found.out) == (2, "")
    assert f"`{place}` is read or recorded to by this run, and no place for its" in found.err
    assert contents(site) == before


@pytest.mark.parametrize("command", ["gate", "evaluate"])
def test_evidence_of_standard_input_is_spared_and_its_workload_judged(
    command: str, site: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(place: str) -> Any:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((site / "w.yaml").read_bytes())))
        return policy(command, "-", *ledger(site), "-o", f"json={place}", "-o", "text", "-q")

    before = contents(site)
    found = run("docs/dpa.json")
    assert (found.status, found.out) == (2, "")
    assert contents(site) == before
    (site / "other.json").write_text("{}\n", encoding="utf-8")
    assert run("other.json").out.endswith("default/writing-assistant\n")
    assert '"kind": "Decision"' in (site / "other.json").read_text(encoding="utf-8")


#: Outputs of one run that are one file in the end.
PAIRS = {
    "attestations and baseline": ("--attest", "x", "--write-baseline", "x", "--reason", "r"),
    "by another name": ("--attest", "x", "--write-baseline", "docs/../x", "--reason", "r"),
    "by a link": ("--attest", "x", "--write-baseline", "tox", "--reason", "r"),
    "reports by a link": ("-o", "json=x", "-o", "sarif=tox"),
    "report and attestations": ("-o", "json=x", "--attest", "tox"),
    "report and baseline": ("-o", "json=tox", "--write-baseline", "x", "--reason", "r"),
    "summary and report": ("-o", "github", "-o", "json=summary.md"),
    "summary and attestations": ("-o", "github", "--attest", "summary.md"),
    "summary and baseline": ("-o", "github", "--write-baseline", "summary.md", "--reason", "r"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_outputs_go_to_two_places(name: str, site: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "tox").symlink_to("x")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    before = contents(site)
    found = policy("gate", "w.yaml", *ledger(site), *PAIRS[name])
    assert (found.status, found.out) == (2, "")
    assert "cannot go to one file" in found.err
    assert contents(site) == before


#: Inputs of one run that an output would take the place of.
INPUTS = {
    "attestations over the baseline": ("--attest", "b.yaml", "--baseline", "b.yaml"),
    "attestations over the key": ("--attest", "ci.key", "--attest-key", "ci.key"),
    "attestations among the waivers": ("--attest", "wv/x", "--waivers", "wv"),
    "baseline over the key": ("--write-baseline", "ci.key", "--reason", "r", "--attest", "y", "--attest-key", "ci.key"),
    "summary over the baseline": ("-o", "github", "--baseline", "sum"),
    "summary over the workload": ("-o", "github", "sum"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_no_place_for_an_output(
    name: str, site: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "sum").symlink_to("b.yaml" if "baseline" in name else "w.yaml")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "sum")
    before = contents(site)
    found = policy("gate", "w.yaml", *ledger(site), *INPUTS[name])
    assert (found.status, found.out) == (2, "")
    assert "is read or recorded to by this run, and no place for its" in found.err
    assert contents(site) == before


def test_one_stream_takes_what_it_is_given(site: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.devnull)
    found = policy("gate", "w.yaml", *ledger(site), "-o", "github", "-o", f"json={os.devnull}")
    assert "cannot go to one file" not in found.err
    assert "::notice title=policy gate::1 workload" in found.out


def test_another_name_of_a_workload_is_no_place_for_the_summary(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hard link: the names differ, and what is appended to one stands in the other."""
    (tmp_path / "w.yaml").write_text(DENIED, encoding="utf-8")
    os.link(tmp_path / "w.yaml", tmp_path / "summary.md")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    done = policy("gate", "w.yaml", *MEMORY, "-o", "github")
    assert (done.status, "[cannot-write]" in done.err) == (2, True)
    assert (tmp_path / "w.yaml").read_text(encoding="utf-8") == DENIED


def test_a_repository_is_no_place_for_a_report(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(DENIED, encoding="utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[core]\n", encoding="utf-8")
    done = policy("gate", "w.yaml", *MEMORY, "-o", "json=.git/config")
    assert (done.status, "[cannot-write]" in done.err) == (2, True)
    assert (tmp_path / ".git" / "config").read_text(encoding="utf-8") == "[core]\n"
