"""The sentences of a decision: why, and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy_engine import summary
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.summary import (
    next_steps,
    option_row,
    option_why,
    reasons,
    recommendation_text,
    way_text,
)

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def tasks(path: Path) -> list[dict[str, Any]]:
    engine = Decider(load_policy())
    (loaded,) = load_workloads(path, None, engine.policy.vocabulary)
    decision = engine.decide(loaded.workload, check_evidence(loaded.workload, AT.date(), path.parent), AT)
    found: list[dict[str, Any]] = decision.document["tasks"]
    return found


def example(name: str) -> dict[str, Any]:
    return tasks(next(path for path in EXAMPLES if path.stem == name))[0]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_verdict_but_allow_has_a_reason_and_a_step(path: Path) -> None:
    for task in tasks(path):
        found, steps = reasons(task), next_steps(task, "workload.yaml")
        if task["verdict"] != "allow":
            assert found
            assert steps
        for line in (*found, *steps, recommendation_text(task)):
            assert line.strip() == line != ""
            assert "{" not in line
            assert "None" not in line
        for row in task["options"]:
            assert (option_why(task, row) != "") or row["status"] == "permitted"


def test_a_collision_names_its_rules_and_every_way_out() -> None:
    task = example("hospital")
    assert task["verdict"] == "review"
    (line,) = [line for line in reasons(task) if "no option is permitted" in line]
    for rule in task["collision"]["rules"]:
        assert rule in line
    ways = [way_text(way) for way in task["collision"]["ways_out"] if way["kind"] != "catalog"]
    assert set(ways) <= set(next_steps(task))
    assert any("waiver" in way for way in ways)
    assert any("hire or train" in way for way in ways)


def test_a_leaking_fallback_is_the_reason() -> None:
    task = example("leaking-fallback")
    assert task["verdict"] == "deny"
    assert any(line.startswith("the fallback ") for line in reasons(task))


def test_what_is_forbidden_says_by_which_criterion() -> None:
    task = example("hospital")
    assert "DATA-01" in option_why(task, option_row(task, "proprietary_api"))


def test_an_advisory_forbid_that_fired_is_the_condition_that_is_named() -> None:
    row = {
        "id": "soon",
        "outcome": "fired",
        "enforcement": "advisory",
        "forbid": ["proprietary_api"],
        "message": "Not here. Denies from 2027-01-01.",
        "title": "Soon",
        "criteria": [],
        "missing": [],
    }
    option = {"deployment": "proprietary_api", "status": "permitted", "rules": [], "reasons": [], "missing": []}
    task = {
        "verdict": "allow_with_conditions",
        "judged_option": "proprietary_api",
        "recommendation": None,
        "proposal": None,
        "collision": None,
        "options": [option],
        "rules": [row],
        "obligations": [],
    }
    assert summary.reasons(task) == ["Not here. Denies from 2027-01-01. (soon, advisory)"]
    assert summary.reasons({**task, "rules": [{**row, "forbid": ["proposal"]}]}) == []
