"""Compile conditions into the definitions of durable_rules networks. Pure data, kept in the cache of parsed rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from policy_engine.language.tree import Node, facts_read
from policy_engine.lowering.grouping import MAX_TAGS, groups
from policy_engine.lowering.to_durable import Form, Names, all_of, lower
from policy_engine.lowering.values import encode

# durable_rules holds 253 properties in a fact, tags among them
MAX_FIELDS = 200
MAX_CONDITIONS = 400


class Guard(Struct, frozen=True):
    """A group of P rules; its tag is asserted only while one of these is missing."""

    tag: str
    facts: frozenset[str]
    atoms: frozenset[str]


class NetworkSpec(Struct, frozen=True):
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


class Stratum(Struct, frozen=True):
    """Rules that are asked together, by their index in the rule set, and their networks."""

    rules: tuple[int, ...]
    networks: tuple[NetworkSpec, ...]


class Alternatives(Struct, frozen=True):
    """Conditions under the other sides' values of disputed parameters, for the question "what if".

    `keys` names each condition: parameter, number of the alternative, index of the rule.
    """

    keys: tuple[tuple[str, int, int], ...]
    networks: tuple[NetworkSpec, ...]


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
    """Compile as many conditions from `start` on as one network holds, and return where the next one begins."""
    end = _fitting(conditions, start)
    while True:
        names = Names()
        lowered = [(i, forms.T, forms.P) for i in range(start, end) for forms in (lower(conditions[i], names),)]
        spec = _assemble(conditions, lowered, names, types)
        tags = len(spec.tags) + len(spec.guards)
        if tags <= MAX_TAGS:
            return spec, end
        end = start + max(1, (end - start) * MAX_TAGS // tags - 1)


def _fitting(conditions: Sequence[Node], start: int) -> int:
    """Return the end of the conditions from `start` on whose fields one network holds."""
    names = Names()
    last = min(len(conditions), start + MAX_CONDITIONS)
    for end in range(start, last):
        lower(conditions[end], names)
        if end > start and len(names.fields) + len(names.lengths) + len(names.atoms) > MAX_FIELDS:
            return end
    return last


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
    number = 0
    certain = list(groups(_merge([(i, t) for i, t, _ in lowered])))
    for place, group in enumerate(certain):
        for form, indexes in group:
            true_rules[f"t{number}"] = indexes
            rules[f"t{number}"] = _rule(f"g{place}", form)
            number += 1
    # neighbours in this order share facts, so that few groups wake for one missing fact
    merged = sorted(_merge([(i, p) for i, _, p in lowered]), key=lambda m: sorted(facts_read(conditions[m[1][0]])))
    guards: list[Guard] = []
    number = 0
    for place, group in enumerate(groups(merged)):
        for form, indexes in group:
            possible[f"p{number}"] = indexes
            rules[f"p{number}"] = _rule(f"h{place}", form)
            number += 1
        guards.append(_guard(f"h{place}", group, conditions, names))
    always = tuple(i for i, t, _ in lowered if t is True)
    return NetworkSpec(
        definition=encode(rules),
        tags=tuple(f"g{place}" for place in range(len(certain))),
        guards=tuple(guards),
        true_rules=true_rules,
        possible_rules=possible,
        always=always,
        fields={fact: (key, types[fact]) for fact, key in names.fields.items()}
        | {fact: ("", types[fact]) for fact in names.lengths if fact not in names.fields},
        lengths=dict(names.lengths),
        atoms=dict(names.atoms),
    )


def _guard(
    tag: str, group: Sequence[tuple[dict[str, Any], tuple[int, ...]]], conditions: Sequence[Node], names: Names
) -> Guard:
    text = json.dumps([form for form, _ in group])
    return Guard(
        tag=tag,
        facts=frozenset(fact for _, indexes in group for i in indexes for fact in facts_read(conditions[i])),
        atoms=frozenset(key for key in names.atoms.values() if f'"{key}"' in text),
    )


def _rule(tag: str, form: dict[str, Any]) -> dict[str, Any]:
    # cap merges the matches of several true branches of an $or into one firing
    return {"all": [{"m": all_of({tag: 1}, form)}], "cap": 65535}
