"""What a gateway is told stands against a deployment: what the decision itself says, and nothing of other options."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_engine.findings.task import GENERAL
from policy_engine.model.task_case import ALLOWING
from policy_engine.service.excerpts import Excerpt, excerpt_of
from policy_engine.summary import reasons
from tests.unit.replay_case import decided

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[3] / "examples").glob("*.yaml"))


def told(name: str) -> Excerpt:
    return excerpt_of(decided(name).document)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_stands_against_a_task_is_what_its_decision_says(name: str) -> None:
    document = decided(name).document
    found = excerpt_of(document)
    assert bool(found.reasons) is (document["verdict"] not in ALLOWING)
    for task in document["tasks"]:
        said = [each["message"] for each in found.reasons if each["task"] == task["name"]]
        assert bool(said) is (task["verdict"] not in ALLOWING)
        assert set(said) <= set(reasons(task))
        assert len(said) == len(set(said))
    rules = {row["id"] for task in document["tasks"] for row in task["rules"]}
    assert {each["code"] for each in found.reasons} <= rules | GENERAL.keys()


def test_rules_that_are_about_other_options_are_none() -> None:
    assert {each["code"] for each in told("edge-inspection").reasons} == {"claimed-hardware-contradicted"}
    assert {each["code"] for each in told("research-lab").reasons} == {"recommendation-not-firm"}


def test_what_is_against_the_fallback_is_told() -> None:
    codes = {each["code"] for each in told("leaking-fallback").reasons}
    assert {"proposed-region-outside-residency", "data-stays-in-network"} <= codes


def test_evidence_that_is_there_is_none() -> None:
    found = told("support-tickets")
    there = {duty["evidence"] for duty in found.obligations if duty["status"] == "satisfied"}
    assert there
    assert not any(f"`{name}`" in each["message"] for name in there for each in found.reasons)
