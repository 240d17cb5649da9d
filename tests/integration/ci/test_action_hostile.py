"""The action, attacked: by its inputs, by what a pull request brings along, and by what its workloads say."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_engine.cli.gate import command
from tests.integration.ci.action_runner import Action, Ran
from tests.integration.ci.conftest import Installed, cleared, commit, put
from tests.wheelhouse import ROOT

Run = Callable[..., Ran]
HOSTILE = """$(touch {0}/x) `touch {0}/x` "; touch {0}/x; ' ; touch {0}/x #
--help
$INPUT_LEDGER && touch {0}/x || ::error::owned
status=0"""


def touched(folder: Path) -> bool:
    return any(path.name == "x" for path in folder.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [
        "wheelhouse wheelhouse-digest python",
        "fail-on formats purpose comment comment-name",
        "paths since policy policy-digest waivers baseline attest-key subjects ledger ledger-key ledger-vkey",
    ],
)
def test_no_input_is_run_or_taken_for_an_output(action: Run, tmp_path: Path, names: str) -> None:
    given = {name.replace("-", "_"): HOSTILE.format(tmp_path) for name in names.split()}
    ran = action(**{"attest": "true", **given})
    assert ran.failed
    assert not touched(tmp_path)
    assert ran.outputs["status"] in ("", "2")
    assert not [message for message in ran.errors if "owned" in message]


def test_no_value_is_an_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gate = runpy.run_path(str(ROOT / "integrations" / "github" / "gate.py"))
    for name in (
        "PATHS",
        "SINCE",
        "POLICY",
        "WAIVERS",
        "BASELINE",
        "SUBJECTS",
        "ATTEST_KEY",
        "PURPOSE",
        "COMMENT_NAME",
        "POLICY_DIGEST",
    ):
        monkeypatch.setenv(f"INPUT_{name}", "--help")
    monkeypatch.setenv("INPUT_ATTEST", "true")
    monkeypatch.setenv("INPUT_IF_ANY", "true")
    words = gate["arguments"](tmp_path)
    assert words[-2:] == ["--", "--help"]
    assert "--help" not in words[:-1]
    there = {option for each in command.params for option in each.opts}
    given = {word.partition("=")[0] for word in words[2:-2]}
    assert given <= there
    assert len(given) == 12


@pytest.mark.slow
def test_what_workloads_say_is_no_command_and_no_code_of_the_checkout_is_run(
    action: Run, checkout: Path, tmp_path: Path
) -> None:
    hostile = "::error file=README.md::owned"
    path = put(checkout, "deny", f"{hostile}.yaml")
    text = path.read_text(encoding="utf-8").replace("name: claims-notes", "name: '::add-mask::owned'")
    path.write_text(text, encoding="utf-8")
    (checkout / "workloads" / "::warning::owned.yaml").write_text("kind: [", encoding="utf-8")
    put(checkout, "deny", "a\n::warning::owned.yaml")
    for name in ("venv", "json", "sitecustomize", "policy_engine", "usercustomize"):
        (checkout / "workloads" / f"{name}.py").write_text(f"open({str(tmp_path / 'x')!r}, 'w')\n", encoding="utf-8")
    commit(checkout)
    own = {"PYTHONPATH": str(checkout / "workloads"), "PYTHONSTARTUP": str(checkout / "workloads" / "venv.py")}
    ran = action(own, working_directory="workloads", paths=".")  # so that names stand at the beginning of lines
    assert ran.failed
    assert ran.outputs["verdict"] == "deny", ran.log
    assert not [command for command in ran.commands if command[2].startswith("owned")]
    assert {name for name, _, _ in ran.commands} <= {"error", "warning", "notice"}
    assert not touched(tmp_path)


def test_a_wheelhouse_that_the_pull_request_may_have_brought_is_refused_without_its_digest(
    installed: Installed, checkout: Path, tmp_path: Path
) -> None:
    brought = checkout / "wheels"
    brought.symlink_to(installed.wheelhouse)
    inside = checkout / "own"
    shutil.copytree(installed.wheelhouse, inside, copy_function=os.link)
    (tmp_path / "link").symlink_to(inside)
    for place in (inside, tmp_path / "link"):
        ran = Action(ROOT).run(checkout, tmp_path, {"wheelhouse": str(place)}, cleared(tmp_path), most=1)
        assert ran.statuses == {"install": 2}, ran.log
        (message,) = ran.errors
        assert "give its digest" in message


def test_a_wheelhouse_of_another_digest_is_refused(installed: Installed, checkout: Path, tmp_path: Path) -> None:
    given = {"wheelhouse": str(installed.wheelhouse), "wheelhouse-digest": "sha256:" + "0" * 64}
    ran = Action(ROOT).run(checkout, tmp_path, given, cleared(tmp_path), most=1)
    assert ran.statuses == {"install": 6}, ran.log
