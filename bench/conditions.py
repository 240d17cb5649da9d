"""What is compared: the shipped conditions with parameters put in, and records in which every fact is known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.language.tree import Const, Node, facts_read, replace_facts
from policy_engine.loading.policy import Policy
from policy_engine.model.vocabulary import Fact

RECORDS = 64
_MANY = 20_000_000


@dataclass(frozen=True)
class Workbench:
    """Conditions by rule, the facts that they read, and records that know all of these."""

    policy: Policy
    ids: tuple[str, ...]
    conditions: tuple[Node, ...]
    facts: Mapping[str, Fact]
    records: tuple[dict[str, Any], ...]


def workbench(policy: Policy, seed: int = 1) -> Workbench:
    """Return the conditions of `policy` with records drawn by `seed`."""
    constants = {f"param.{name}": Const(p.value, p.type) for name, p in policy.rules.parameters.items()}
    conditions = tuple(replace_facts(rule.condition, constants) for rule in policy.rules.rules)
    names = sorted(frozenset().union(*map(facts_read, conditions)))
    facts = {name: policy.vocabulary.facts[name] for name in names}
    draw = random.Random(seed)  # noqa: S311 - figures, not secrets
    members = sorted(policy.vocabulary.regulations)
    records = tuple({name: _value(fact, members, draw) for name, fact in facts.items()} for _ in range(RECORDS))
    return Workbench(policy, tuple(rule.id for rule in policy.rules.rules), conditions, facts, records)


def _value(fact: Fact, regulations: list[str], draw: random.Random) -> Any:
    if fact.type == "bool":
        return draw.random() < 0.5
    if fact.type == "string":
        return draw.choice(fact.values or ("",))
    if fact.type == "list<string>":
        members = list(fact.values or regulations)
        return draw.sample(members, draw.randrange(3))
    # thresholds lie anywhere between 1 and millions, so magnitudes are drawn
    lowest, highest = fact.minimum or 0, min(fact.maximum or _MANY, _MANY)
    value = min(max(lowest, 10 ** draw.uniform(-0.5, 7.3)), highest)
    return int(value) if fact.type == "int" else round(value, 2)


def key(fact: str) -> str:
    """The name of a fact as every peer can spell it."""
    return fact.replace(".", "_")


class UntranslatableError(Exception):
    """A condition says something that the peer's language has no words for."""
