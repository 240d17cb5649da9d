"""One run in every format, as it was agreed on. `UPDATE_GOLDEN=1` writes the reports anew."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.unit.ci.scene import everything

GOLDEN = Path(__file__).parents[2] / "golden" / "ci"
FILES = {"sarif": "run.sarif", "junit": "run.xml", "github": "run.txt", "gitlab": "run.json", "comment": "run.md"}


@pytest.mark.parametrize("name", [*FILES])
def test_a_run_is_golden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GITHUB_ACTIONS", "GITLAB_CI", "GITHUB_STEP_SUMMARY", "POLICY_REPOSITORY", "POLICY_COMMIT"):
        monkeypatch.delenv(variable, raising=False)
    text = import_module(f"policy_engine.ci.{name}").render(everything(), 2)
    found = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)  # of rules, catalog and decisions, which change with each other
    found = re.sub(r"(policy waiver request|the waiver) [0-9a-f]{8,12}\b", r"\1 ID", found)
    file = GOLDEN / FILES[name]
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "run with UPDATE_GOLDEN=1 if the change is meant"


def test_no_golden_report_is_left_over() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == set(FILES.values())
