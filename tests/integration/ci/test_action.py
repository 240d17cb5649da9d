"""action.yml: valid by GitHub's schema, and its steps, run one after the other on a real checkout."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.integration.ci.action_runner import Action, Ran
from tests.integration.ci.conftest import Installed, cleared, commit, put
from tests.wheelhouse import ROOT

Run = Callable[..., Ran]


def schema(name: str) -> Draft7Validator:
    """A schema that check-jsonschema brings, as SchemaStore publishes it."""
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return Draft7Validator(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def decisions(ran: Ran) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(ran.outputs["decisions"]).read_text(encoding="utf-8"))
    return found


def test_it_is_an_action_by_githubs_schema() -> None:
    schema("github-actions").validate(Action(ROOT).document)


def test_no_input_is_code_and_no_other_action_is_called() -> None:
    action = Action(ROOT)
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for step in action.steps:
        assert "${{" not in step["run"]
        assert "uses" not in step
    used = set(re.findall(r"inputs\.([a-z-]+)", text))
    assert used == action.document["inputs"].keys()


def test_what_the_scripts_read_is_what_the_steps_give_them() -> None:
    for step in Action(ROOT).steps:
        (script,) = re.findall(r"integrations/github/\w+\.(?:sh|py)", step["run"])
        source = (ROOT / script).read_text(encoding="utf-8")
        given = {name.removeprefix("INPUT_") for name in step["env"] if name.startswith("INPUT_")}
        read = set(re.findall(r"\bINPUT_([A-Z_]+)\b", source))
        if script.endswith("gate.py"):
            read |= set(re.findall(r'(?:given|lines|switched_on)\("([A-Z_]+)"\)', source))
            read |= set(re.findall(r'": "([A-Z_]+)"', source))
        assert read == given, script


@pytest.mark.slow
def test_an_allowed_workload_passes_and_every_report_is_handed_on(action: Run, tmp_path: Path) -> None:
    ran = action(attest="true", subjects=f"registry.example/app@sha256:{'2c' * 32}")
    assert not ran.failed, ran.log
    assert ran.outputs["status"] == "0"
    assert ran.outputs["verdict"] == "allow"
    (decision,) = decisions(ran)
    assert decision["ledger"]["index"] == 0
    sarif = json.loads(Path(ran.outputs["sarif"]).read_text(encoding="utf-8"))
    assert sarif["version"] == "2.1.0"
    assert Path(ran.outputs["junit"]).read_text(encoding="utf-8").startswith("<?xml")
    assert Path(ran.outputs["markdown"]).read_text(encoding="utf-8").startswith("<!-- policy-gate:")
    assert ran.summary.strip()
    assert not ran.errors
    files = ("sarif", "junit", "markdown", "decisions", "attestation")
    assert {str(Path(ran.outputs[name]).parent) for name in files} == {ran.outputs["reports"]}
    envelopes = [json.loads(line) for line in Path(ran.outputs["attestation"]).read_text(encoding="utf-8").splitlines()]
    assert len(envelopes) == 2
    for each in envelopes:
        (subject, *_) = json.loads(b64decode(each["payload"]))["subject"]
        assert subject["name"] == "registry.example/app"


@pytest.mark.slow
def test_only_what_changed_since_a_revision_is_judged_and_a_review_may_be_let_pass(action: Run, checkout: Path) -> None:
    put(checkout, "deny", "old.yaml")
    base = commit(checkout)
    put(checkout, "review")
    commit(checkout)
    ran = action(since=base, paths="", fail_on="deny")
    assert not ran.failed, ran.log
    assert ran.outputs["status"] == "5"
    assert ran.outputs["verdict"] == "review"
    assert [each["verdict"] for each in decisions(ran)] == ["review"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"paths": "nowhere/*.yaml"}, 2),
        ({"ledger": "sqlite:////proc/none/ledger.db"}, 6),
        ({"policy_digest": "sha256:" + "0" * 64}, 3),
    ],
)
def test_a_gate_that_cannot_decide_fails_whatever_is_let_pass(action: Run, given: dict[str, str], status: int) -> None:
    ran = action(fail_on="none", **given)
    assert ran.failed
    assert ran.outputs["status"] == str(status)
    assert ran.outputs["verdict"] == "none"


@pytest.mark.parametrize("given", [{"fail_on": "never"}, {"if_any": "yes"}, {"formats": "sarif\npdf"}])
def test_an_input_that_says_nothing_fails(action: Run, given: dict[str, str]) -> None:
    ran = action(**given)
    assert ran.failed
    assert ran.outputs["status"] == "2"
    assert len(ran.errors) == 1


@pytest.mark.slow
def test_no_workload_at_all_passes_only_where_that_is_said(action: Run, checkout: Path) -> None:
    for path in (checkout / "workloads").iterdir():
        path.unlink()
    ran = action(if_any="true")
    assert not ran.failed, ran.log
    assert ran.outputs["status"] == "0"
    assert ran.outputs["verdict"] == "none"
    assert Path(ran.outputs["sarif"]).is_file()


def test_without_policy_nothing_passes(checkout: Path, tmp_path: Path, installed: Installed) -> None:
    env = cleared(tmp_path) | {"PATH": "/usr/bin:/bin"}
    ran = Action(ROOT).run(checkout, tmp_path, {"ledger": "sqlite:///:memory:", "paths": "workloads"}, env)
    assert ran.failed
    assert ran.statuses == {"install": 3}
    assert ran.outputs["status"] == ""
