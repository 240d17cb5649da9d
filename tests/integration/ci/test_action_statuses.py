"""What the action makes of each status of `policy gate`, which here is a script that leaves with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ci.action_runner import Ran, outputs_of
from tests.wheelhouse import ROOT

#: Writes every report that it is asked for.
WRITES = """for word in "$@"; do case $word in --output=*=*) echo '[]' >"${word#--output=*=}" ;; esac; done\n"""


def gate(folder: Path, script: str, fail_on: str) -> tuple[int, dict[str, str]]:
    """Run the step with such a `policy`; return its status and its outputs. What it says is in `log`."""
    (folder / "policy").write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    (folder / "policy").chmod(0o755)
    return step(folder, fail_on)


def step(folder: Path, fail_on: str, **more: str) -> tuple[int, dict[str, str]]:
    """Run the step with the `policy` that stands in `folder`."""
    (folder / "output").write_text("", encoding="utf-8")
    env = {"PATH": f"{folder}:/usr/bin:/bin", "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output")}
    given = {"INPUT_FAIL_ON": fail_on, "INPUT_FORMATS": "sarif\njunit", "INPUT_PATHS": "."}
    command = [sys.executable, "-I", str(ROOT / "integrations" / "github" / "gate.py")]
    with (folder / "log").open("wb") as log:
        done = subprocess.run(command, env=env | given | more, stdout=log, stderr=subprocess.STDOUT, check=False)
    return done.returncode, outputs_of((folder / "output").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("status", "failing"),
    [(0, ""), (1, "review deny"), (5, "review"), *((each, "review deny none") for each in (2, 3, 6, 7))],
)
def test_a_status_fails_the_step_unless_it_is_a_verdict_that_is_let_pass(
    tmp_path: Path, status: int, failing: str
) -> None:
    for fail_on in ("review", "deny", "none"):
        left, outputs = gate(tmp_path, f"{WRITES}exit {status}", fail_on)
        assert left == (status if fail_on in failing.split() else 0)
        assert outputs["status"] == str(status)
        assert outputs["verdict"] == "none"


@pytest.mark.parametrize("script", [f"{WRITES}kill -9 $$", f"{WRITES}exit 42", "exit 0", "exit 5", "exit 1"])
def test_what_is_no_status_and_a_verdict_without_its_reports_fail(tmp_path: Path, script: str) -> None:
    left, outputs = gate(tmp_path, script, "none")
    assert left == 7
    assert outputs["status"] == "7"
    assert "sarif" not in outputs or script.startswith(WRITES)


def test_what_policy_says_is_obeyed_by_nobody(tmp_path: Path) -> None:
    said = "echo ::error::owned; echo '##[error]owned' >&2; printf ::add-mask::owned"
    gate(tmp_path, f"{WRITES}{said}; exit 1", "review")
    ((kind, _, message),) = Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).commands
    assert (kind, message) == ("error", "policy gate left with status 1: a denial; the log says what")


@pytest.mark.parametrize("status", [1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("script", [WRITES, ""])
def test_a_failure_without_annotations_of_a_report_has_one(tmp_path: Path, status: int, script: str) -> None:
    gate(tmp_path, f"{script}exit {status}", "review")
    (message,) = Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).errors
    if script or status not in (1, 5):
        assert message.startswith(f"policy gate left with status {status}: ")
    else:
        assert message == "a report is missing, and without it nothing passes"


def test_what_is_let_pass_is_a_warning_and_a_report_has_its_own_annotations(tmp_path: Path) -> None:
    gate(tmp_path, f"{WRITES}exit 5", "deny")
    ((kind, _, message),) = Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).commands
    assert (kind, message) == ("warning", "policy gate left with status 5: a review is due; the log says what")
    left, _ = step(tmp_path, "deny", INPUT_FORMATS="github")
    assert left == 0
    assert Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).commands == []


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 42", "exit 1"])
def test_the_text_of_a_comment_is_handed_on_with_a_verdict_alone(tmp_path: Path, end: str) -> None:
    gate(tmp_path, f"{WRITES}{end}", "none")
    left, outputs = step(tmp_path, "none", INPUT_COMMENT="true")
    assert (left == 0) is ("markdown" in outputs) is (end == "exit 1")
    assert "sarif" in outputs


@pytest.mark.parametrize(
    ("makes", "said"),
    [
        (lambda path: path.unlink(), "policy is not installed on this runner"),
        (lambda path: path.write_text("#!/nowhere/python\n"), "the Python that it was installed into is gone"),
        (lambda path: path.chmod(0o644), "policy cannot be run: Permission denied"),
        (lambda path: path.write_bytes(b"\0\1"), "policy cannot be run: Exec format error"),
    ],
    ids=["missing", "interpreter", "permission", "format"],
)
def test_a_policy_that_cannot_be_run_fails_and_is_no_denial(
    tmp_path: Path, makes: Callable[[Path], Any], said: str
) -> None:
    gate(tmp_path, "", "none")
    makes(tmp_path / "policy")
    left, outputs = step(tmp_path, "none", PATH=str(tmp_path))
    assert (left, outputs) == (3, {"status": "3", "verdict": "none"})
    (message,) = Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).errors
    assert said in message


@pytest.mark.parametrize("more", [{"RUNNER_TEMP": "/proc/none"}, {"GITHUB_OUTPUT": "/proc/none"}])
def test_a_runner_without_its_folders_is_no_denial(tmp_path: Path, more: dict[str, str]) -> None:
    gate(tmp_path, f"{WRITES}exit 0", "none")
    left, _ = step(tmp_path, "none", **more)
    assert left == 7
    (message,) = Ran(log=(tmp_path / "log").read_text(encoding="utf-8")).errors
    assert message.startswith("the gate broke: ")


def test_decisions_that_cannot_be_read_are_no_denial(tmp_path: Path) -> None:
    left, outputs = gate(tmp_path, WRITES.replace("[]", "[[") + "exit 0", "none")
    assert (left, outputs) == (7, {"status": "7", "verdict": "none"})


def test_a_policy_that_says_nothing_fails(tmp_path: Path) -> None:
    left, outputs = gate(tmp_path, "", "none")
    assert (left, outputs["status"]) == (7, "7")
