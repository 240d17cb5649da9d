"""Rules, made up over the whole vocabulary, on top of the shipped ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from policy_engine.decide import Decider
from policy_engine.language.tree import facts_read
from policy_engine.loading.policy import Policy, with_rules
from policy_engine.model.rule import Rule
from tests.property.worlds import CASES, checker, shipped, workloads


def _atoms() -> list[str]:
    found = []
    for name, fact in shipped().vocabulary.facts.items():
        if fact.type == "bool":
            found += [name, f"!{name}"]
        elif fact.type == "string":
            values = list(fact.values or ("eu", "llama-3-70b"))
            found += [f"{name} == '{value}'" for value in values[:3]]
            found += [f"{name} in ['{values[0]}', '{values[-1]}']", f"{name}.startsWith('{values[-1][:2]}')"]
        elif fact.type == "list<string>":
            found += [f"'hipaa' in {name}", f"size({name}) > 0", f"{name}.exists(x, x != 'text')"]
        else:
            point = ".0" if fact.type == "double" else ""
            found += [f"{name} < 100{point}", f"{name} >= 5000{point}", f"{name} * 2{point} > 1000000{point}"]
    return found


ATOMS = _atoms()
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
    ),
    max_leaves=4,
)


def rule_of(rule_id: str, when: str, **effects: Any) -> Rule:
    """Return a rule as the loader would make it."""
    condition = checker().check(when)
    return Rule(
        id=rule_id,
        title=rule_id,
        topic=effects.pop("topic", "routing"),
        when=when,
        condition=condition,
        reads=facts_read(condition),
        parameters=frozenset(),
        stratum=max(rule.stratum for rule in shipped().rules.rules),
        **effects,
    )


def extended(policy: Policy, *rules: Rule) -> Decider:
    """Return a decider under the policy with more rules; the catalog is the same, and not built again."""
    found = with_rules(policy, [*policy.rules.rules, *rules])
    found.__dict__["catalog"] = policy.catalog
    return Decider(found)


def several(few: int, many: int, proposed: bool | None = None) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Workloads that are tried under one set of rules: compiling it takes longer than a decision."""
    count = many if CASES else few
    return st.lists(workloads(proposed=proposed), min_size=count, max_size=count)
