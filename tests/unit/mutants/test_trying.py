"""Mutants on cases: who is killed, who is proved equivalent, and which case would kill the rest."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.case_files import FIRED, INDETERMINATE, NOT_FIRED, Case
from policy_engine.cases import CaseRunner, gather
from policy_engine.errors import Span
from policy_engine.language.cel import Checker
from policy_engine.language.tree import Const
from policy_engine.loading.policy import Policy, load_policy, with_rules
from policy_engine.model.rule import Derivation, Rule
from policy_engine.mutants.operators import Mutant, mutants_of
from policy_engine.mutants.trying import Trial, Tried, Trier


@functools.cache
def shipped() -> Policy:
    return load_policy()


@functools.cache
def checker() -> Checker:
    values = {f"param.{name}": parameter.type for name, parameter in shipped().rules.parameters.items()}
    return Checker({name: fact.type for name, fact in shipped().vocabulary.facts.items()} | values)


def constants() -> dict[str, Const]:
    return {f"param.{name}": Const(p.value, p.type) for name, p in shipped().rules.parameters.items()}


def trier() -> Trier:
    return Trier(shipped().vocabulary, constants(), checker().matches)


def rule(when: str, **derives: str) -> Rule:
    node = checker().check(when)
    made = tuple(Derivation(f, text, checker().check(text, None)) for f, text in derives.items())
    return Rule("r", "r", "routing", when, node, frozenset(), frozenset(), derive=made)


def case(
    outcome: str, missing: tuple[str, ...] | None = None, params: dict[str, Any] | None = None, **facts: Any
) -> Case:
    given = {name.replace("__", "."): value for name, value in facts.items()}
    return Case("r", "c", given, outcome, Span("", 1, 1), missing, {}, params or {})


def trial(when: str, *cases: Case) -> Trial:
    return trier().trial(rule(when), [(each, constants()) for each in cases])


def alive(found: Trial) -> dict[str, Tried]:
    return {each.mutant.text: each for each in found.survivors}


def test_a_mutant_that_comes_out_otherwise_is_killed() -> None:
    found = trial("task.batch", case(FIRED, task__batch=True))
    assert found.killed == {(None, "!task.batch")}
    assert found.survivors == ()


def test_a_survivor_comes_with_a_case_that_kills_it() -> None:
    below, above = case(NOT_FIRED, budget__monthly_usd=1.0), case(FIRED, budget__monthly_usd=9000.0)
    found = alive(trial("budget.monthly_usd > param.budget_low_usd_per_month", below, above))
    assert {text: each.case and each.case["facts"] for text, each in found.items()} == {
        "budget.monthly_usd >= param.budget_low_usd_per_month": {"budget.monthly_usd": 2000.0},
        "budget.monthly_usd > param.budget_low_usd_per_month - 2.0": {"budget.monthly_usd": 2000.0},
        "budget.monthly_usd > param.budget_low_usd_per_month + 2.0": {"budget.monthly_usd": 2000.01},
    }
    exact = case(NOT_FIRED, budget__monthly_usd=2000.0), case(FIRED, budget__monthly_usd=2000.01)
    assert alive(trial("budget.monthly_usd > param.budget_low_usd_per_month", *exact)) == {}


def test_a_case_under_other_parameters_kills_by_its_own_threshold() -> None:
    when = "budget.monthly_usd > param.budget_low_usd_per_month"
    own = [
        case(NOT_FIRED, params={"budget_low_usd_per_month": 100.0}, budget__monthly_usd=100.0),
        case(FIRED, params={"budget_low_usd_per_month": 100.0}, budget__monthly_usd=100.01),
    ]
    assert alive(trial(when, *own)) == {}


def test_a_mutant_that_only_unknowns_tell() -> None:
    """Whether `b && !b` stands there shows where b is unknown, and nowhere else."""
    when = "task.batch || (needs.edge && !needs.edge)"
    known = [
        case(FIRED, task__batch=True, needs__edge=True),
        case(FIRED, task__batch=True, needs__edge=False),
        case(NOT_FIRED, task__batch=False, needs__edge=True),
        case(NOT_FIRED, task__batch=False, needs__edge=False),
    ]
    found = alive(trial(when, *known))["task.batch"]
    assert not found.equivalent
    assert found.case is not None
    assert found.case["facts"] == {"task.batch": False}
    assert found.case["outcome"] == INDETERMINATE
    assert "task.batch" not in alive(trial(when, *known, case(INDETERMINATE, task__batch=False)))


def test_a_mutant_that_only_the_missing_facts_tell() -> None:
    """Both are unknown at once: what is lacking is not the same."""
    when = "task.batch && (task.batch || needs.edge)"
    cases = [case(FIRED, task__batch=True), case(NOT_FIRED, task__batch=False), case(INDETERMINATE)]
    assert alive(trial(when, *cases))["task.batch"].case == {
        "name": "nothing known",
        "facts": {},
        "outcome": "indeterminate",
        "missing": ["needs.edge", "task.batch"],
    }
    stated = case(INDETERMINATE, missing=("needs.edge", "task.batch"))
    assert "task.batch" not in alive(trial(when, *cases, stated))


def test_what_no_facts_tell_is_proved_equivalent() -> None:
    found = alive(trial("task.latency_p95_ms >= 1", case(FIRED, task__latency_p95_ms=1)))
    # no latency is below 1
    assert (found["task.latency_p95_ms >= 0"].equivalent, found["task.latency_p95_ms >= 0"].case) == (True, None)
    assert (found["task.latency_p95_ms <= 1"].equivalent, found["task.latency_p95_ms <= 1"].case is None) == (
        False,
        False,
    )


def test_what_cannot_be_looked_at_in_full_is_not_proved() -> None:
    """Twice a latency is above 0 and above -1; the search cannot know that it saw all integers."""
    cases = case(FIRED, task__latency_p95_ms=1), case(INDETERMINATE)
    found = alive(trial("task.latency_p95_ms * 2 > 0", *cases))["task.latency_p95_ms * 2 > -1"]
    assert (found.equivalent, found.case) == (False, None)


def test_what_a_rule_derives_is_killed_by_what_cases_state() -> None:
    derived = rule("task.batch", **{"task.class": "'frontier'"})
    plain = case(FIRED, task__batch=True)
    silent = trier().trial(derived, [(plain, constants()), (case(NOT_FIRED, task__batch=False), constants())])
    assert [(each.of, each.mutant.text) for each in silent.survivors] == [("task.class", '"unclassified"')]
    suggested = silent.survivors[0].case
    assert suggested is not None
    assert suggested["derives"] == {"task.class": "frontier"}
    stated = Case("r", "c", {"task.batch": True}, FIRED, Span("", 1, 1), None, {"task.class": "frontier"})
    assert trier().trial(derived, [(stated, constants())]).survivors == ()


@pytest.mark.parametrize("choice", [0, 7, -1])
def test_killed_is_what_fails_on_every_engine(choice: int) -> None:
    """One mutant of each shipped rule is put in force, and the cases run as `policy rules test` runs them."""
    policy, found = shipped(), trier()
    files = {file.rule: file.cases for file in gather(())[0].files}
    chosen: dict[str, Mutant] = {}
    for each in policy.rules.rules:
        mutants = list(mutants_of(each.condition, found.setting))
        chosen[each.id] = mutants[choice % len(mutants)]
    rules = [replace(each, when=chosen[each.id].text, condition=chosen[each.id].node) for each in policy.rules.rules]
    runner = CaseRunner(with_rules(policy, rules))
    for each in policy.rules.rules:
        results = [runner.run(one) for one in files[each.id]]
        engines = [failure for result in results for failure in result.failures if failure.kind == "engines"]
        assert engines == []
        tried = found.trial(each, [(one, constants()) for one in files[each.id]])
        killed = (None, chosen[each.id].text) in tried.killed
        assert any(not result.passed for result in results) is killed, each.id
