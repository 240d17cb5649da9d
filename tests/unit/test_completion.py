"""What is asked to complete a workload: what can change its verdict, and that alone, largest effect first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy_engine.candidates import Candidates
from policy_engine.completion import Completion, State, fact_at, path_of, value_at
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.loading.yaml_edit import with_value
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.workload import Workload
from policy_engine.model.workload_paths import fields_by_path, pattern_of

EXAMPLES = Path(__file__).parents[2] / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy()


@pytest.fixture(scope="module")
def completion(policy: Policy) -> Completion:
    return Completion(Decider(policy), AT)


def example(name: str, **unknown: list[str]) -> dict[str, Any]:
    """Return an example's document with fields of its sections made unknown."""
    document: dict[str, Any] = read_yaml(EXAMPLES / f"{name}.yaml")[0].value
    for section, keys in unknown.items():
        for key in keys:
            document = with_value(document, ("spec", section, key), None)
    return document


def state(completion: Completion, document: dict[str, Any], skipped: set[Any] | None = None) -> State:
    evidence = check_evidence(Workload.model_validate(document), AT.date(), EXAMPLES)
    return completion.state(document, evidence, skipped or set())


def asked(found: State) -> list[str]:
    return [question.name for question in found.questions]


def test_nothing_is_asked_where_nothing_can_change(completion: Completion) -> None:
    for name in ("writing-assistant", "leaking-fallback", "hospital", "coding-assistant"):
        assert asked(state(completion, example(name))) == [], name


def test_what_decides_alone_comes_first(completion: Completion) -> None:
    document = example("invoice-extraction", data=["may_leave_network", "sensitivity", "residency", "must_own_logs"])
    found = state(completion, document)
    effects = [question.effect for question in found.questions]
    assert effects == sorted(effects, reverse=True)
    first = {question.name for question in found.questions if question.effect == 2}
    assert {"data.may_leave_network", "data.residency"} <= first
    leave = next(question for question in found.questions if question.name == "data.may_leave_network")
    assert dict(leave.outcomes)[False] == "deny"
    assert leave.path == ("spec", "data", "may_leave_network")
    assert "data.must_own_logs" not in asked(found)


def test_a_task_fact_is_asked_for_its_task(completion: Completion) -> None:
    document = example("model-router")
    document = with_value(document, ("spec", "tasks", 1, "context_tokens"), None)
    document = with_value(document, ("spec", "tasks", 1, "batch"), None)
    found = state(completion, document)
    assert {question.task for question in found.questions} <= {"summaries"}
    assert all(question.path[:3] == ("spec", "tasks", 1) for question in found.questions)


def test_what_was_skipped_is_not_asked_again(completion: Completion) -> None:
    document = example("invoice-extraction", data=["may_leave_network", "residency"])
    first = state(completion, document)
    rest = state(completion, document, {first.questions[0].path})
    assert asked(rest) == asked(first)[1:]


def test_an_answer_is_not_asked_for_again_and_a_deny_asks_nothing(completion: Completion) -> None:
    document = example("invoice-extraction", data=["may_leave_network", "residency"])
    allowed = with_value(document, ("spec", "data", "may_leave_network"), True)
    assert "data.may_leave_network" not in asked(state(completion, allowed))
    denied = state(completion, with_value(document, ("spec", "data", "may_leave_network"), False))
    assert (denied.verdict, denied.questions) == ("deny", ())


def test_what_only_the_catalog_could_tell_is_no_question(completion: Completion) -> None:
    found = state(completion, example("invoice-extraction"))
    assert found.catalog_gaps == ("catalog.models.qwen3-7b.context_tokens",)
    assert found.questions == ()


def test_a_claim_that_leaves_its_count_open_is_asked_for_it(completion: Completion) -> None:
    document = example("leaking-fallback")
    document = with_value(document, ("spec", "tasks", 0, "proposal", "fallback"), None)
    document = with_value(document, ("spec", "hardware", "gpus", 0, "count"), None)
    found = state(completion, document)
    assert ("spec", "hardware", "gpus", 0, "count") in [question.path for question in found.questions]
    assert all(value_at(document, question.path) is None for question in found.questions)


def test_a_benchmark_floor_that_is_not_known_is_asked_for(completion: Completion) -> None:
    path = ("spec", "tasks", 0, "min_scores")
    found = state(completion, with_value(example("support-tickets"), path, {"mmlu": None}))
    assert found.verdict == "review"
    question = next(each for each in found.questions if each.path == (*path, "mmlu"))
    assert (question.name, question.fact.minimum, question.fact.maximum) == ("task.min_scores.mmlu", 0.0, 1e6)
    assert {outcome for _, outcome in question.outcomes} > {"deny"}


def test_several_orders_of_the_same_search_give_the_same_bytes(completion: Completion) -> None:
    document = example("research-lab")
    assert state(completion, document) == state(completion, document)


def test_every_declared_fact_has_its_place(policy: Policy) -> None:
    workload = Workload.model_validate(example("leaking-fallback"))
    for fact in policy.vocabulary.facts.values():
        if fact.source == "declared":
            path = path_of(fact.name, 0, workload, policy.catalog)
            assert path is not None, fact.name
            assert pattern_of(path) in fields_by_path()
            assert fact_at(path, policy.vocabulary) == fact


def test_what_is_no_fact_has_the_bounds_of_its_field(policy: Policy) -> None:
    def bounds(*leaf: str | int) -> tuple[str, float | None, float | None]:
        fact = fact_at(("spec", *leaf), policy.vocabulary)
        return fact.type, fact.minimum, fact.maximum

    assert bounds("tasks", 0, "min_scores", "mmlu") == ("double", 0.0, 1e6)
    assert bounds("hardware", "gpus", 0, "count") == ("int", 1, 100_000)
    assert bounds("hardware", "gpus", 0, "memory_gb") == ("double", 0.0, 1e9)


def test_candidates_stand_on_both_sides_of_every_cut_point(policy: Policy) -> None:
    candidates = Candidates(policy)
    facts = policy.vocabulary.facts
    limit = int(policy.rules.parameters["edge_latency_ms"].value)
    latencies = candidates.of(facts["task.latency_p95_ms"], {})
    assert min(latencies) < limit < max(latencies)
    budgets = candidates.of(facts["budget.monthly_usd"], {})
    for rule in policy.rules.rules:
        for name in rule.parameters if "budget.monthly_usd" in rule.reads else ():
            cut = policy.rules.parameters[name].value
            assert any(value < cut for value in budgets)
            assert any(value >= cut for value in budgets)
    assert candidates.of(facts["task.batch"], {}) == [True, False]
    assert candidates.of(facts["team.mlops"], {}) == ["none", "building", "mature"]
    assert candidates.of(facts["data.residency"], {"proposal.region": "eu-central-1"})[:2] == [
        ["anywhere"],
        ["eu-central-1"],
    ]
    for fact in facts.values():
        if fact.source == "declared":
            values = candidates.of(fact, {})
            assert len(values) == len({repr(value) for value in values})


def mixed(*more: dict[str, Any]) -> dict[str, Any]:
    """Return a proposal of own hardware: a device of the catalog, one without a bandwidth, and a host beside them."""
    document = example("support-tickets")
    gpus = [{"name": "H100", "count": 1}, {"name": "Frobnicator", "count": 1, "memory_gb": 80}, {"name": "cpu"}, *more]
    return with_value(document, ("spec", "hardware", "gpus"), gpus)


def test_a_figure_that_nobody_states_is_asked_of_the_device_that_lacks_it(completion: Completion) -> None:
    def paths(document: dict[str, Any]) -> list[Any]:
        found = [question.path for question in state(completion, document).questions]
        return [path for path in found if path[:2] == ("spec", "hardware")]

    place = ("spec", "hardware", "gpus", 1, "bandwidth_gb_s")
    document = mixed()
    assert paths(document) == [place]
    assert paths(with_value(document, place, 2000.0)) == []
    nameless = {"name": None, "count": None}
    assert sorted(path[3:] for path in paths(mixed(nameless))) == [
        (1, "bandwidth_gb_s"),
        (3, "bandwidth_gb_s"),
        (3, "count"),
        (3, "memory_gb"),
        (3, "name"),
    ]


def test_a_figure_is_set_for_a_device_of_which_nobody_says_it(policy: Policy) -> None:
    def place(leaf: str, document: dict[str, Any]) -> Any:
        return path_of(f"hardware.gpus.{leaf}", 0, Workload.model_validate(document), policy.catalog)

    assert place("bandwidth_gb_s", mixed()) == ("spec", "hardware", "gpus", 1, "bandwidth_gb_s")
    # what is published is of no use, and what the host has is none of the GPUs'
    for leaf in ("memory_gb", "count", "name", "unknown", "no_such"):
        assert place(leaf, mixed()) is None, leaf
    alone = with_value(mixed(), ("spec", "hardware", "gpus"), [{"name": "H100", "count": 1}])
    assert place("memory_gb", alone) == ("spec", "hardware", "gpus", 0, "memory_gb")
    assert place("no_such", alone) is None
    host = with_value(mixed(), ("spec", "hardware", "gpus"), [{"name": "cpu"}])
    assert place("memory_gb", host) == ("spec", "hardware", "gpus", 0, "memory_gb")
