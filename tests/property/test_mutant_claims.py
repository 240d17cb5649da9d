"""What is claimed of mutants that no case kills, held to the CEL runtime: proved means the same on all facts tried."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.language.cel import Checker
from policy_engine.language.tree import Const
from policy_engine.model.rule import Rule
from policy_engine.mutants.trying import Trier
from tests.property.worlds import CASES, shipped

ATOMS = [
    "task.batch",
    "needs.edge",
    "task.quality in ['high', 'best']",
    "task.quality == 'best'",
    "task.latency_p95_ms < 300",
    "task.latency_p95_ms > param.low_latency_ms",
    "'hipaa' in data.regulations",
    "size(data.regulations) > 1",
    "data.regulations.exists(m, m != 'gdpr')",
    "data.regulations.all(m, m == 'gdpr' || task.batch)",
    "budget.monthly_usd >= 10.0",
    "workload.stage != 'pilot'",
    "proposal.model == 'x'",
]
VALUES: dict[str, list[Any]] = {
    "task.batch": [True, False],
    "needs.edge": [True, False],
    "task.quality": ["sufficient", "high", "best"],
    "task.latency_p95_ms": [1, 298, 299, 300, 301, 302, 99_999],
    "data.regulations": [[], ["hipaa"], ["gdpr"], ["gdpr", "hipaa"], ["x", "y", "z"], ["gdpr", "gdpr"]],
    "budget.monthly_usd": [0.0, 9.98, 9.99, 10.0, 10.005, 10.01, 11.0],
    "workload.stage": ["pilot", "production"],
    "proposal.model": ["x", "y", ""],
}
KNOWN = ("workload.stage",)
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
    ),
    max_leaves=5,
)
FACTS = st.fixed_dictionaries(
    {name: st.sampled_from(VALUES[name]) for name in KNOWN},
    optional={name: st.sampled_from(values) for name, values in VALUES.items() if name not in KNOWN},
)


@functools.cache
def constants() -> dict[str, Const]:
    return {f"param.{name}": Const(p.value, p.type) for name, p in shipped().rules.parameters.items()}


@functools.cache
def checker() -> Checker:
    types: dict[str, str] = {name: fact.type for name, fact in shipped().vocabulary.facts.items()}
    return Checker(types | {name: constant.type for name, constant in constants().items()})


@settings(deadline=None, max_examples=CASES or 30, derandomize=not CASES, database=None)
@given(CONDITIONS, st.lists(FACTS, min_size=40, max_size=40))
def test_proved_is_the_same_and_a_suggested_case_tells(text: str, facts: list[dict[str, Any]]) -> None:
    rule = Rule("r", "r", "routing", text, checker().check(text), frozenset(), frozenset())
    found = Trier(shipped().vocabulary, constants(), checker().matches).trial(rule, [])
    parameters = {name: constant.value for name, constant in constants().items()}
    original = checker().program(text)
    before = [original.evaluate(parameters | each) for each in facts]
    assert found.survivors
    for each in found.survivors:
        mutant = checker().program(each.mutant.text)
        if each.equivalent:
            assert [mutant.evaluate(parameters | given) for given in facts] == before, (text, each.mutant.text)
            continue
        assert each.case is not None, (text, each.mutant.text)
        told = parameters | each.case["facts"]
        was, now = original.evaluate(told), mutant.evaluate(told)
        # where both are unknown, it is what is missing that tells
        assert was != now or (was is None and each.case["missing"]), (text, each.mutant.text)
