"""No proof speaks of an integer that no workload file can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]


@pytest.mark.parametrize(("limit", "status"), [(2**53 - 2, 0), (2**53 - 1, 4)])
def test_a_rule_beyond_the_largest_integer_cannot_fire(limit: int, status: int, policy: Run, tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    (folder / "life-cycle").mkdir(parents=True)
    (folder / "vocabulary.yaml").write_text("facts:\n  custom.n: {type: int, meaning: M.}\n", encoding="utf-8")
    rule = {"id": "own-rule", "title": "T", "origin": "us", "when": f"custom.n > {limit}", "forbid": ["edge"]}
    text = yaml.safe_dump(rule | {"enforcement": "mandatory", "message": "M."})
    (folder / "life-cycle/own-rule.yaml").write_text(text, encoding="utf-8")
    found = policy("prove", "every-rule-can-fire", "--policy", str(folder))
    assert found.status == status, found.err
    assert ("the rule `own-rule` cannot fire" in found.out) is bool(status)
