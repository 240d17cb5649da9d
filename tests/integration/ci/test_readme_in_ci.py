"""What the README says about CI is what the action, the hooks and the template take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.ci.action_runner import Action
from tests.integration.ci.test_action import schema
from tests.integration.ci.test_gitlab_template import TEMPLATE, job
from tests.wheelhouse import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## In CI\n")[2].partition("\n## ")[0]


def example(name: str) -> dict[str, Any]:
    (text,) = re.findall(rf"```yaml\n# {re.escape(name)}\n(.*?)```", SECTION, re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(text)
    return {"on" if key is True else key: value for key, value in found.items()}  # YAML 1.1 has `on` for true


def test_the_workflow_is_valid_and_gives_the_action_what_it_takes() -> None:
    workflow = example(".github/workflows/policy.yml")
    schema("github-workflows").validate(workflow)
    action = Action(ROOT).document
    _, gate, upload = workflow["jobs"]["gate"]["steps"]
    needed = {name for name, about in action["inputs"].items() if about.get("required")}
    assert needed <= gate["with"].keys() <= action["inputs"].keys()
    for text in (upload["if"], upload["with"]["sarif_file"]):
        assert set(re.findall(r"steps\.gate\.outputs\.(\w+)", text)) == {"sarif"}
    assert upload["if"].startswith("${{ always() && ")
    assert set(re.findall(r"`(\w+)`", SECTION[SECTION.index("its outputs (") :].partition(")")[0])) == set(
        action["outputs"]
    )


def test_how_a_workflow_gates_and_comments_is_said_once() -> None:
    workflows = [
        text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if re.search(r"- (run|uses): ", text)
    ]
    assert len(workflows) == 1
    assert workflows[0] in SECTION
    reports = README.partition("\n## Reports for CI\n")[2].partition("\n## ")[0]
    assert 'see "In CI"' in reports


def test_the_hooks_are_those_of_the_manifest(tmp_path: Path) -> None:
    config = example(".pre-commit-config.yaml")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    subprocess.run([str(Path(sys.executable).parent / "pre-commit"), "validate-config", str(path)], check=True)
    there = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert {hook["id"] for hook in config["repos"][0]["hooks"]} <= there
    assert there <= set(re.findall(r"`(policy-[a-z-]+)`", SECTION))


@pytest.mark.parametrize(
    ("path", "judged"),
    [("workloads/a.yaml", True), ("team/workloads/b/c.yml", True), ("workload.yaml", True), ("x/workload.yml", True),
     ("chat.workload.yaml", True), ("docker-compose.yaml", False),
     ("my-workload.yaml", False), ("workloads.yaml", False)],
)  # fmt: skip
def test_without_files_the_hook_judges_what_the_readme_says(path: str, judged: bool) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (gate,) = [hook for hook in hooks if hook["id"] == "policy-gate"]
    assert (re.search(gate["files"], path) is not None) is judged


def test_the_template_is_included_by_its_path_and_with_its_variables() -> None:
    given = example(".gitlab-ci.yml")
    schema("gitlab-ci").validate(given)
    assert ROOT / given["include"][0]["file"] == TEMPLATE
    assert given["policy-gate"]["variables"].keys() <= job()["variables"].keys()
