"""The oracle on demand: it agrees with the engine, and what it would not agree with is found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from policy_engine.crosscheck import CrossCheck, CrossCheckError
from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_engine_and_cel_agree_on_every_example() -> None:
    policy = load_policy()
    decider, oracle = Decider(policy), CrossCheck(policy)
    asked = 0
    for path in EXAMPLES:
        for loaded in load_workloads(path, str(path), policy.vocabulary):
            asked += oracle.check(decider.decide(loaded.workload, {}, AT).results)
    assert asked >= len(EXAMPLES) * len(policy.rules.rules)


def test_an_outcome_that_cel_does_not_give_is_named() -> None:
    policy = load_policy()
    loaded = load_workloads(EXAMPLES[0], str(EXAMPLES[0]), policy.vocabulary)[0]
    (result, *_) = Decider(policy).decide(loaded.workload, {}, AT).results
    result.outcomes[0] = None if result.outcomes[0] is not None else True
    with pytest.raises(CrossCheckError) as caught:
        CrossCheck(policy).check([result])
    assert policy.rules.rules[0].id in str(caught.value)


def test_the_inference_on_a_fallback_is_checked_too() -> None:
    policy = load_policy()
    path = next(path for path in EXAMPLES if path.stem == "leaking-fallback")
    (loaded,) = load_workloads(path, str(path), policy.vocabulary)
    (result,) = Decider(policy).decide(loaded.workload, {}, AT).results
    oracle = CrossCheck(policy)
    assert oracle.check([result]) == 2 * len(policy.rules.rules)
    assert result.fallback_inference is not None
    facts, outcomes = result.fallback_inference
    assert facts["proposal.deployment"] == result.facts["proposal.fallback.deployment"]
    index = outcomes.index(False)
    outcomes[index] = True
    with pytest.raises(CrossCheckError) as caught:
        oracle.check([result])
    (problem,) = caught.value.problems
    assert f"rule `{policy.rules.rules[index].id}` has fired on the fallback" in problem.message
