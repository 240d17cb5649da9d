"""Custom facts that two policies fill in otherwise: a workload that leaves one out has another value under each.

Such a fact has a symbol of its own under either policy. They are the same where the workload states the fact; where it
does not, each policy takes its own default, or has it unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from policy_engine.language.tree import Node, rename_facts
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_z3 import Items, Number, Symbols, Text, Truth, Value, fixed
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, every, implies, neg, same
from policy_engine.lowering.to_z3.values import Other
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import CUSTOM
from policy_engine.proofs.knowledge import Knowledge, wider

_NEW = " (new)"


def told_apart(old: Policy, new: Policy) -> tuple[Policy, Policy, dict[str, str]]:
    """Return both policies, with another name in the new one for each custom fact of another default, and those names.

    Raises:
        NotLoweredError: such a fact has another type.
    """
    before, after = old.vocabulary.facts, new.vocabulary.facts
    names = {
        name: name + _NEW
        for name, fact in before.items()
        if name.startswith(CUSTOM) and name in after and _filled(fact.default) != _filled(after[name].default)
    }
    if not names:
        return old, new, {}
    one, other = dict(before), {name: fact for name, fact in after.items() if name not in names}
    for name, twin in names.items():
        both_ = wider(before[name], after[name])
        one[name] = replace(both_, default=before[name].default, source=before[name].source)
        other[twin] = replace(both_, name=twin, default=after[name].default, source=after[name].source)
    rules = replace(new.rules, rules=tuple(_renamed(rule, names) for rule in new.rules.rules))
    return (
        replace(old, vocabulary=replace(old.vocabulary, facts=one)),
        replace(new, vocabulary=replace(new.vocabulary, facts=other), rules=rules),
        names,
    )


def _filled(default: object) -> tuple[str, object]:
    """Return the default with its type, which tells `true` from 1."""
    return type(default).__name__, default


def _renamed(rule: Rule, names: Mapping[str, str]) -> Rule:
    derive = tuple(
        replace(each, fact=names.get(each.fact, each.fact), expression=rename_facts(each.expression, names))
        for each in rule.derive
    )
    reads = frozenset(names.get(name, name) for name in rule.reads)
    return replace(rule, condition=rename_facts(rule.condition, names), reads=reads, derive=derive)


class Unstated:
    """Which of these facts a workload leaves out, and what each policy has then; `names` are the new policy's."""

    def __init__(self, old: Policy, new: Policy, names: Mapping[str, str]) -> None:
        self.names = names
        self._defaults = {name: old.vocabulary.facts[name].default for name in names}
        self._defaults |= {twin: new.vocabulary.facts[twin].default for twin in names.values()}
        self.left_out = {name: f.boolean(f"unstated {name}") for name in names}

    def domain(self, symbols: Symbols, knowledge: Knowledge) -> list[Formula]:
        """Return what holds of the facts under both; asked when everything is lowered."""
        found: list[Formula] = []
        for name, twin in self.names.items():
            out = self.left_out[name]
            for each in (name, twin):
                default = self._defaults[each]
                known = knowledge.known(each)
                given = fixed(symbols.value(each, True), default) if default is not None else ()
                found.append(implies(out, both(known, *given) if default is not None else neg(known)))
            alike = _equal(symbols.value(name, True), symbols.value(twin, True))
            found.append(implies(neg(out), both(same(knowledge.known(name), knowledge.known(twin)), *alike)))
        return [*found, *self._open(symbols)]

    def _open(self, symbols: Symbols) -> list[Formula]:
        """Return that what is left open of a fact that is stated is the same under both."""
        back = {twin: name for name, twin in self.names.items()}
        stated = every(neg(each) for each in self.left_out.values())
        found = []
        for key, (symbol, _) in symbols.open.items():
            other = symbols.open.get(_named(key, back))
            if other is not None and other[0] is not symbol:
                found.append(implies(stated, symbol == other[0]))
        return found


def _equal(one: Value, other: Value) -> list[Formula]:
    """Return that two values of one type, told apart by the same constants, are the same."""
    if isinstance(one, Truth) and isinstance(other, Truth):
        return [same(one.true, other.true)]
    if isinstance(one, Number) and isinstance(other, Number):
        return [one.value == other.value]
    if isinstance(one, Text) and isinstance(other, Text):
        return [same(g, h) for (g, _), (h, _) in zip(one.cases, other.cases, strict=True)]
    assert isinstance(one, Items) and isinstance(other, Items)  # noqa: S101,PT018 - both have one type
    members = [same(guard, other.members[name]) for name, guard in one.members.items()]
    return [*members, same(one.other, other.other), one.size == other.size]


def _named(key: Any, names: Mapping[str, str]) -> Any:
    """Return what an open symbol is known by, with other names of facts."""
    if isinstance(key, tuple):
        return tuple(_named(each, names) for each in key)
    if isinstance(key, Other):
        return Other(names.get(key.fact, key.fact), key.element)
    if isinstance(key, str):
        return names.get(key, key)
    return rename_facts(key, names) if isinstance(key, Node) else key
