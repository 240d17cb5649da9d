"""Compile conditions into the definitions of durable_rules networks. Pure data, kept in the cache of parsed rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policy_engine.language.tree import Node, facts_read
from policy_engine.lowering.to_durable import Form, Names, all_of, lower
from policy_engine.lowering.values import encode

# durable_rules holds 64 pending matches behind one first test, and 253 properties in a fact
RULES_PER_GROUP = 10
MAX_PROPERTIES = 230


@dataclass(frozen=True, slots=True)
class Guard:
    """A group of P rules; its tag is asserted only while one of these is missing."""

    tag: str
    facts: frozenset[str]
    atoms: frozenset[str]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One durable_rules network.

    `true_rules` and `possible_rules` map a generated rule name to the indexes of the conditions it stands for;
    `always` are conditions that are true whatever the facts. `fields`, `lengths` and `atoms` say what to assert:
    fact -> (key, type), list fact -> key of its length, CEL text -> key.
    """

    definition: str
    tags: tuple[str, ...]
    guards: tuple[Guard, ...]
    true_rules: dict[str, tuple[int, ...]]
    possible_rules: dict[str, tuple[int, ...]]
    always: tuple[int, ...]
    fields: dict[str, tuple[str, str]]
    lengths: dict[str, str]
    atoms: dict[str, str]

    def to_data(self) -> list[Any]:
        """Return plain JSON data; `from_data` reads it."""
        guards = [[g.tag, sorted(g.facts), sorted(g.atoms)] for g in self.guards]
        return [
            self.definition,
            self.tags,
            guards,
            self.true_rules,
            self.possible_rules,
            self.always,
            self.fields,
            self.lengths,
            self.atoms,
        ]

    @classmethod
    def from_data(cls, data: list[Any]) -> NetworkSpec:
        definition, tags, guards, true_rules, possible, always, fields, lengths, atoms = data
        return cls(
            definition=definition,
            tags=tuple(tags),
            guards=tuple(Guard(tag, frozenset(facts), frozenset(a)) for tag, facts, a in guards),
            true_rules={k: tuple(v) for k, v in true_rules.items()},
            possible_rules={k: tuple(v) for k, v in possible.items()},
            always=tuple(always),
            fields={k: (v[0], v[1]) for k, v in fields.items()},
            lengths=lengths,
            atoms=atoms,
        )


def compile_networks(conditions: Sequence[Node], types: dict[str, str]) -> list[NetworkSpec]:
    """Compile `conditions` (by index) into as many networks as the engine's limits ask for."""
    networks: list[NetworkSpec] = []
    start = 0
    while start < len(conditions):
        spec, end = _compile(conditions, start, types)
        networks.append(spec)
        start = end
    return networks


def _compile(conditions: Sequence[Node], start: int, types: dict[str, str]) -> tuple[NetworkSpec, int]:
    names = Names()
    lowered: list[tuple[int, Form, Form]] = []
    end = start
    while end < len(conditions):
        forms = lower(conditions[end], names)
        tags = 2 * (len(lowered) // RULES_PER_GROUP + 1)
        if lowered and len(names.fields) + len(names.lengths) + len(names.atoms) + tags > MAX_PROPERTIES:
            return _build(conditions[:end], lowered, start, types), end
        lowered.append((end, forms.T, forms.P))
        end += 1
    return _assemble(conditions, lowered, names, types), end


def _build(
    conditions: Sequence[Node], lowered: list[tuple[int, Form, Form]], start: int, types: dict[str, str]
) -> NetworkSpec:
    """Lower the conditions that fit once more, so that no name of the one that did not fit stays behind."""
    names = Names()
    again = [(i, f.T, f.P) for i, f in ((i, lower(conditions[i], names)) for i, _, _ in lowered)]
    return _assemble(conditions, again, names, types)


def _merge(forms: list[tuple[int, Form]]) -> list[tuple[dict[str, Any], tuple[int, ...]]]:
    """Merge equal conditions: durable_rules crashes on 256 rules with one condition."""
    merged: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for index, form in forms:
        if isinstance(form, bool):
            continue
        merged.setdefault(json.dumps(form, sort_keys=True), (form, []))[1].append(index)
    return [(form, tuple(indexes)) for form, indexes in merged.values()]


def _assemble(
    conditions: Sequence[Node], lowered: list[tuple[int, Form, Form]], names: Names, types: dict[str, str]
) -> NetworkSpec:
    rules: dict[str, Any] = {}
    true_rules: dict[str, tuple[int, ...]] = {}
    possible: dict[str, tuple[int, ...]] = {}
    tags: list[str] = []
    guards: list[Guard] = []
    atom_facts = {text: key for text, key in names.atoms.items()}
    for number, (form, indexes) in enumerate(_merge([(i, t) for i, t, _ in lowered])):
        tag = f"g{number // RULES_PER_GROUP}"
        if tag not in tags:
            tags.append(tag)
        true_rules[f"t{number}"] = indexes
        rules[f"t{number}"] = _rule(tag, form)
    # neighbours in this order share facts, so that few groups wake for one missing fact
    merged = sorted(_merge([(i, p) for i, _, p in lowered]), key=lambda m: sorted(facts_read(conditions[m[1][0]])))
    for base in range(0, len(merged), RULES_PER_GROUP):
        group = merged[base : base + RULES_PER_GROUP]
        tag = f"h{base // RULES_PER_GROUP}"
        facts: frozenset[str] = frozenset()
        for offset, (form, indexes) in enumerate(group):
            possible[f"p{base + offset}"] = indexes
            rules[f"p{base + offset}"] = _rule(tag, form)
            facts |= frozenset().union(*(facts_read(conditions[i]) for i in indexes))
        text = json.dumps([form for form, _ in group])
        atoms = frozenset(key for key in atom_facts.values() if f'"{key}"' in text)
        guards.append(Guard(tag, facts, atoms))
    always = tuple(i for i, t, _ in lowered if t is True)
    return NetworkSpec(
        definition=encode(rules),
        tags=tuple(tags),
        guards=tuple(guards),
        true_rules=true_rules,
        possible_rules=possible,
        always=always,
        fields={fact: (key, types[fact]) for fact, key in names.fields.items()}
        | {fact: ("", types[fact]) for fact in names.lengths if fact not in names.fields},
        lengths=dict(names.lengths),
        atoms=dict(names.atoms),
    )


def _rule(tag: str, form: dict[str, Any]) -> dict[str, Any]:
    # cap merges the matches of several true branches of an $or into one firing
    return {"all": [{"m": all_of({tag: 1}, form)}], "cap": 65535}
