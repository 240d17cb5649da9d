"""Rule sets that are broken on purpose: each flaw is found, and shown with a workload that the engine decides so."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from policy_engine.errors import Span
from policy_engine.loading.properties import Listed, Properties
from policy_engine.proofs import builtin as checks
from policy_engine.proofs.builtin import COLLISIONS, DEAD, DERIVATIONS, SHADOWED, THRESHOLDS
from policy_engine.proofs.monotone import monotone
from tests.unit.proofs.given import builtin, evaluated, of, prover, rule, shipped

SPAN = Span("properties.yaml", 1, 1)
DATA, WEIGHTS, CHANGING = (
    "data-stays-in-network",
    "seeing-weights-needs-open-weights",
    "changing-the-model-needs-weights",
)
LOW, HIGH = "low-api-spend-favours-api", "high-api-spend-favours-self-hosting"


def whats(result: Any) -> list[str]:
    return [failure.what for failure in result.failures]


# ---- dead rules


@pytest.mark.parametrize(
    "when",
    [
        "task.latency_p95_ms < 1",
        "data.may_leave_network && !data.may_leave_network",
        "workload.stage == 'pilot' && workload.stage == 'production'",
        "task.class == 'workhorse' && task.kind == 'agentic'",
        "size(data.regulations) == 0 && 'hipaa' in data.regulations",
        "volume.tokens_per_month < volume.input_tokens_per_month",
        "proposal.fallback.present && !proposal.present",
        "workload.task_count == 1 && task.share < 0.5",
    ],
)
def test_a_rule_that_cannot_fire_is_found(when: str) -> None:
    classes = ("task-class-workhorse", "task-class-frontier", "task-class-unclassified")
    found = builtin(of(rule(DATA, when=when), WEIGHTS, *classes), DEAD)
    assert whats(found) == [f"the rule `{DATA}` cannot fire"]
    assert found.status == "refuted"


@pytest.mark.parametrize(
    "when",
    [
        "task.latency_p95_ms < 2",
        "data.residency.exists(r, r.startswith('ap-'))".replace("startswith", "startsWith"),
        "proposal.model.matches('^gpt-.*turbo$')",
        "proposal.provider.startsWith('acme') && proposal.provider != 'acme'",
        "workload.deploy_within_days * 2 == workload.deploy_within_days + 7",
        "task.share * 3.0 > 0.9 && task.share < 0.5",
        "hardware.measured == 'contradicted'",
        "proposal.hardware_verdict == 'contradicted'",
        "size(data.regulations) > 7",
        "migration.from.model == 'gpt-4o' && cost.api_spend_usd_per_month > 123.0",
    ],
)
def test_a_rule_that_can_fire_is_fired_by_the_engine(when: str) -> None:
    assert builtin(of(rule(WEIGHTS, when=when)), DEAD).status == "proved"


# ---- shadowed rules


def test_a_rule_that_another_shadows_is_found() -> None:
    policy = of(DATA, rule(WEIGHTS, when="!data.may_leave_network && needs.see_weights"))
    found = builtin(policy, SHADOWED)
    assert whats(found) == [f"the rule `{WEIGHTS}` is shadowed: no workload is decided otherwise without it"]
    assert found.failures[0].span == policy.rules.rule(WEIGHTS).span  # type: ignore[union-attr]


def test_a_weaker_preference_of_one_topic_is_shadowed() -> None:
    # each topic speaks once for an option: under 1,000 the rule for under 2,000 says as much already
    weaker = rule(LOW, id="weaker", when="cost.api_spend_usd_per_month < 1000.0", prefer={"open_api": 1})
    assert whats(builtin(of(LOW, weaker), SHADOWED)) == [
        "the rule `weaker` is shadowed: no workload is decided otherwise without it"
    ]
    stronger = rule(LOW, id="stronger", when="cost.api_spend_usd_per_month < 1000.0", prefer={"open_api": 3})
    assert builtin(of(LOW, stronger), SHADOWED).status == "proved"


def test_a_requirement_that_another_makes_as_strictly_is_shadowed() -> None:
    dpa = "sensitive-data-needs-dpa"
    less = rule(dpa, id="less", when="data.sensitivity == 'regulated'")
    assert [what.split("`")[1] for what in whats(builtin(of(dpa, less), SHADOWED))] == ["less"]
    better = rule(dpa, id="better", when="data.sensitivity == 'regulated'", grade="approved")
    assert builtin(of(dpa, better), SHADOWED).status == "proved"


def test_what_is_shadowed_on_purpose_is_listed_and_no_more() -> None:
    policy = of(DATA, rule(WEIGHTS, when="!data.may_leave_network && needs.see_weights"))
    listed = Properties((), {WEIGHTS: Listed(WEIGHTS, "said twice", SPAN)}, {})
    assert builtin(policy, SHADOWED, listed).status == "proved"
    stale = builtin(of(DATA, WEIGHTS), SHADOWED, listed)
    assert whats(stale) == [f"the rule `{WEIGHTS}` is listed as shadowed, and is not: take it off the list"]
    assert stale.failures[0].span == SPAN
    assert stale.failures[0].counterexample is not None


# ---- thresholds


def test_a_gap_between_thresholds_is_found_and_shown() -> None:
    policy = of(rule(LOW, when="cost.api_spend_usd_per_month < 2000.0"), HIGH)
    found = builtin(policy, THRESHOLDS)
    (failure,) = found.failures
    assert failure.counterexample is not None
    outcomes = evaluated(policy, failure.counterexample.text())
    assert 2000.0 <= outcomes.facts["cost.api_spend_usd_per_month"] < 5000.0
    assert outcomes.outcomes == [False, False]


def test_thresholds_that_overlap_are_found_and_shown() -> None:
    policy = of(rule(LOW, when="cost.api_spend_usd_per_month <= 5000.0"), HIGH)
    (failure,) = builtin(policy, THRESHOLDS).failures
    assert failure.what.startswith(f"`{LOW}` and `{HIGH}` fire on one value of `cost.api_spend_usd_per_month`")
    assert failure.counterexample is not None
    assert evaluated(policy, failure.counterexample.text()).facts["cost.api_spend_usd_per_month"] == 5000.0


def test_thresholds_that_meet_are_proved_and_listed_in_vain() -> None:
    policy = of(rule(LOW, when="5000.0 > cost.api_spend_usd_per_month"), HIGH)
    assert builtin(policy, THRESHOLDS).status == "proved"
    key = ("volume-cost", "cost.api_spend_usd_per_month")
    listed = Properties((), {}, {key: Listed(key[1], "why", SPAN, key[0])})
    assert whats(builtin(policy, THRESHOLDS, listed)) == [
        "thresholds of `cost.api_spend_usd_per_month` are listed as a gap, and leave none: take it off the list"
    ]
    assert builtin(of(rule(LOW, when="cost.api_spend_usd_per_month < 9.0"), HIGH), THRESHOLDS, listed).failures == ()


# ---- collisions, derivations, less knowledge


def test_collisions_are_found_and_have_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = of(DATA, "no-mlops-no-self-hosting", CHANGING)
    found = builtin(policy, COLLISIONS)
    assert found.status == "proved"
    assert found.checked == "6 collisions of one rule or two"
    monkeypatch.setattr(checks, "collision", lambda judge, result: None)
    silent = builtin(policy, COLLISIONS)
    assert silent.status == "refuted"
    assert "leave nothing permitted, and the decision does not say so" in silent.failures[0].what


def test_derivations_that_disagree_are_found_and_the_engine_refuses_the_workload() -> None:
    wrong = rule("task-class-workhorse", when="task.kind in ['extraction', 'agentic']")
    policy = of(wrong, "task-class-frontier")
    (failure,) = builtin(policy, DERIVATIONS).failures
    assert failure.what == "two rules fire and give `task.class` different values"
    assert failure.counterexample is not None
    task = yaml.safe_load(failure.counterexample.text())["spec"]["tasks"][0]
    assert task["kind"] == "agentic"
    assert failure.counterexample.verdict == "refused"
    assert builtin(of("task-class-workhorse", "task-class-frontier"), DERIVATIONS).status == "proved"


def test_a_forbid_on_a_coalesced_fact_lets_less_knowledge_allow() -> None:
    # the loader refuses it; the encoding must not share the computed spend between what is known and what is not
    policy = of(rule(LOW, forbid=("proprietary_api", "open_api"), prefer={}, enforcement="mandatory"))
    found = monotone(prover(policy))
    (failure,) = found.failures
    assert failure.counterexample is not None
    assert failure.counterexample.verdict in ("allow", "allow_with_conditions")
    assert evaluated(policy, failure.counterexample.text()).verdict == failure.counterexample.verdict
    # without the bill, or without the model in use, the spend comes out otherwise
    said = failure.counterexample.reasons[0]
    assert "budget.api_spend_usd_per_month" in said or "migration.from.model" in said


def test_forbids_on_declared_facts_are_monotone() -> None:
    assert monotone(prover(of(DATA, WEIGHTS, "sensitive-data-needs-dpa"))).status == "proved"


def test_what_is_not_answered_in_time_is_said_and_not_proved() -> None:
    for which in (DEAD, SHADOWED, THRESHOLDS, COLLISIONS):
        found = builtin(
            of(DATA, WEIGHTS, rule(LOW, when="cost.api_spend_usd_per_month < 5000.0"), HIGH), which, timeout_s=0.0
        )
        assert found.status == "undecided", which
        assert "undecided within 0 s" in found.failures[0].what
    assert monotone(prover(shipped(), 0.0)).status == "undecided"
