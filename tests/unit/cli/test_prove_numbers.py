"""Proofs speak of the numbers that a workload file can hold, and show those that it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., Any]


def layer(folder: Path, kind: str, when: str) -> Path:
    """Make a layer with the fact `custom.n` and one rule on it."""
    (folder / "life-cycle").mkdir(parents=True)
    (folder / "vocabulary.yaml").write_text(f"facts:\n  custom.n: {{type: {kind}, meaning: M.}}\n", encoding="utf-8")
    rule = {"id": "own-rule", "title": "T", "origin": "us", "when": when, "forbid": ["edge"]}
    text = yaml.safe_dump(rule | {"enforcement": "mandatory", "message": "M."})
    (folder / "life-cycle/own-rule.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("limit", "status"), [(2**53 - 2, 0), (2**53 - 1, 4)])
def test_a_rule_beyond_the_largest_integer_cannot_fire(limit: int, status: int, policy: Run, tmp_path: Path) -> None:
    folder = layer(tmp_path / "ours", "int", f"custom.n > {limit}")
    found = policy("prove", "every-rule-can-fire", "--policy", str(folder))
    assert found.status == status, found.err
    assert ("the rule `own-rule` cannot fire" in found.out) is bool(status)


def test_an_overflow_hides_no_counterexample(policy: Run, tmp_path: Path) -> None:
    """A third is above 0.33, and three times that is not above 1; of 1e308 nobody knows."""
    folder = layer(tmp_path / "ours", "double", "custom.n * 3.0 > 1.0")
    said = {"id": "ours", "title": "T", "reason": "r", "known": ["custom.n"], "when": "custom.n > 0.33"}
    text = yaml.safe_dump({"properties": [said | {"holds": "rule.own_rule == 'fired'"}]})
    (folder / "properties.yaml").write_text(text, encoding="utf-8")
    found = policy("prove", "ours", "--policy", str(folder), "-o", "json")
    (failure,) = next(each for each in found.json["properties"] if each["id"] == "ours")["failures"]
    shown = failure["counterexample"]["workload"]["spec"]["custom"]["n"]
    assert shown > 0.33
    assert not shown * 3.0 > 1.0
