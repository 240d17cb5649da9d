"""Rules that only oblige and read what the catalog chooses are asked last, and are not forgotten."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from policy_engine.counterfactuals.found import Search
from tests.property.changing import judged_with
from tests.property.made_up_rules import extended, rule_of
from tests.property.worlds import CALM, CALM_TASK, judged, shipped

PROPOSAL = {"deployment": "self_hosted", "model": "llama-3.1-8b", "region": "us"}
RAW = {
    "apiVersion": "policy-engine/v1",
    "kind": "Workload",
    "metadata": {"name": "some-workload", "owner": "owner@acme.example", "namespace": "default"},
    "spec": {
        "stage": "prototype",
        **CALM,
        "tasks": [{"name": "task", "kind": "extraction", **CALM_TASK, "proposal": PROPOSAL}],
        "evidence": {},
    },
}


@pytest.mark.parametrize(
    ("fact", "other", "written"),
    [
        ("volume.requests_per_day", 900, "900"),  # of these two no other rule comes to anything else
        ("task.well_defined", False, "false"),
        ("budget.margin", "tight", "'tight'"),
        ("data.must_own_logs", True, "true"),
    ],
)
def test_a_change_that_only_obliges_through_a_cost_is_seen(fact: str, other: Any, written: str) -> None:
    rule = rule_of(
        "own-obligation",
        f"{fact} == {written} && cost.self_hosted_usd_per_month >= 0.0",
        require={"golden_dataset": ("self_hosted",)},
        enforcement="mandatory",
    )
    engine = extended(shipped(), rule)
    (result,) = judged(engine, copy.deepcopy(RAW))[1]
    assert result.verdict == "allow"
    wanted = judged_with(engine, result.case, {fact: other})
    assert wanted is not None
    assert wanted.verdict == "review"
    reply = Search(engine.judge).trial(result).reply({fact: other})
    assert reply is not None
    assert reply.verdict == wanted.verdict
