"""The template for GitLab: valid by GitLab's schema, and its script, run as a runner runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.cli.gate import command
from tests.integration.ci.conftest import Installed, cleared, commit, put
from tests.integration.ci.test_action import schema
from tests.wheelhouse import ROOT

TEMPLATE = ROOT / "integrations" / "gitlab" / "policy-gate.gitlab-ci.yml"


def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))["policy-gate"]
    return found


def run(checkout: Path, installed: Installed, predefined: Mapping[str, str], rule: int, **more: str) -> int:
    """Run the script of a job that is there by this rule; return its exit status."""
    variables = {**job()["variables"], **job()["rules"][rule]["variables"], **more}
    filled = {name: predefined.get(value[1:], "") if value[:1] == "$" else value for name, value in variables.items()}
    env = cleared(checkout.parent, CI="true", GITLAB_CI="true", CI_PROJECT_DIR=str(checkout), **filled)
    env["PATH"] = f"{installed.bin}:{env['PATH']}"
    env |= {"POLICY_LEDGER": f"sqlite:///{checkout.parent}/ledger.db"}
    return subprocess.run(["sh", "-e", "-c", "\n".join(job()["script"])], cwd=checkout, env=env, check=False).returncode


def test_it_is_valid_by_gitlabs_schema() -> None:
    schema("gitlab-ci").validate(yaml.safe_load(TEMPLATE.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_a_merge_request_is_judged_by_what_it_changes(checkout: Path, installed: Installed) -> None:
    put(checkout, "deny", "old.yaml")
    base = commit(checkout)
    put(checkout, "review")
    commit(checkout)
    if os.geteuid() == 0:  # then the checkout can be somebody else's, as the runner's is
        for path in (checkout, *checkout.rglob("*")):
            os.chown(path, 10001, 10001)
    assert run(checkout, installed, {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base}, rule=0) == 5
    reports = job()["artifacts"]["reports"]
    (finding, *_) = json.loads((checkout / reports["codequality"]).read_text(encoding="utf-8"))
    assert finding["location"]["path"] == "workloads/review.yaml"
    assert (checkout / reports["junit"]).is_file()
    (decision,) = json.loads((checkout / "policy-gate.json").read_text(encoding="utf-8"))
    assert decision["verdict"] == "review"


@pytest.mark.parametrize("status", [0, 2])
def test_nothing_is_written_through_what_a_merge_request_brings(
    checkout: Path, installed: Installed, tmp_path: Path, status: int
) -> None:
    """With a `policy` that writes reports where it is told, or fails before it does."""
    writes = """for word in "$@"; do case $word in --output=*=*) echo new >"${word#--output=*=}" ;; esac; done\n"""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "policy").write_text(f"#!/bin/sh -e\n{'exit 2' if status else writes}", encoding="utf-8")
    (tmp_path / "bin" / "policy").chmod(0o755)
    artifacts = job()["artifacts"]
    linked, folder, other = [*artifacts["paths"], *artifacts["reports"].values()]
    (checkout / linked).symlink_to(".git/config")
    (checkout / folder / "deep").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("", encoding="utf-8")
    (checkout / other).symlink_to(tmp_path / "kept")
    before = (checkout / ".git" / "config").read_bytes()
    own = Installed(installed.wheelhouse, tmp_path / "bin", installed.python)
    assert run(checkout, own, {}, rule=1) == status
    assert (checkout / ".git" / "config").read_bytes() == before
    assert (tmp_path / "kept" / "file").is_file()
    for name in (linked, folder, other):
        assert not (checkout / name).is_symlink()
        assert (checkout / name).exists() is (status == 0)


def test_its_options_are_the_gates() -> None:
    given = set(re.findall(r"(--[a-z-]+)[= ]", "\n".join(job()["script"]).partition("set -- ")[2]))
    assert given == {"--output", "--policy", "--since"}
    assert given <= {option for each in command.params for option in each.opts}


def test_the_default_branch_is_judged_whole_and_for_deployment() -> None:
    rule = job()["rules"][1]
    assert rule == {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", "variables": {"POLICY_PURPOSE": "deploy"}}
    assert job()["variables"]["POLICY_GATE_SINCE"] == ""
    assert job()["variables"]["POLICY_GATE_FILES"] == "."


@pytest.mark.slow
def test_a_variable_is_no_code_and_no_option(checkout: Path, installed: Installed) -> None:
    hostile = f"$(touch {checkout}/x)\n--help\n*; touch {checkout}/x"
    names = ("POLICY_GATE_FILES", "POLICY_GATE_LAYERS", "POLICY_GATE_SINCE")
    assert run(checkout, installed, {}, rule=1, **dict.fromkeys(names, hostile)) in (2, 3)
    assert not (checkout / "x").exists()
