"""The engine and its peers: each takes a record in its own words and returns the conditions that hold, by number."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bench import translate_cedar, translate_rego, translate_zen
from bench.conditions import Workbench
from policy_engine.inference import Network, evaluate_all
from policy_engine.language.cel import Checker
from policy_engine.language.text import to_text

Record = dict[str, Any]


@dataclass(frozen=True)
class Engine:
    """`ask` is timed, `records` is not: each engine is handed the facts under its own names."""

    name: str
    ask: Callable[[Record], set[int]]
    records: Sequence[Record]


def ours(bench: Workbench) -> Engine:
    """From facts to the sets of fired and of indeterminate conditions, as `Judge.infer` asks for them."""
    checker = Checker({name: fact.type for name, fact in bench.policy.vocabulary.facts.items()})
    programs: dict[str, Any] = {}

    def atom(text: str, facts: Mapping[str, Any]) -> bool | None:
        program = programs.get(text) or programs.setdefault(text, checker.program(text))
        result: bool | None = program.evaluate(facts)
        return result

    strata = [(s.rules, [Network(spec, atom) for spec in s.networks]) for s in bench.policy.strata]

    def ask(record: Record) -> set[int]:
        fired: set[int] = set()
        indeterminate: set[int] = set()
        for indexes, networks in strata:
            for index, outcome in zip(indexes, evaluate_all(networks, len(indexes), record), strict=True):
                if outcome:
                    fired.add(index)
                elif outcome is None:
                    indeterminate.add(index)
        if indeterminate:
            raise RuntimeError("a record of the bench leaves something unknown")
        return fired

    return Engine("policy-engine (durable_rules)", ask, bench.records)


def cedar(bench: Workbench) -> Engine:
    """cedarpy, with policies and entities parsed beforehand."""
    import cedarpy

    policies = cedarpy.PolicySet.from_str(translate_cedar.policies(bench.conditions))
    entities = cedarpy.Entities.from_json_str("[]")
    request = {"principal": 'U::"u"', "action": 'A::"a"', "resource": 'R::"r"'}

    def ask(record: Record) -> set[int]:
        # a context handed in as text is a little faster than as a dict
        asked = {**request, "context": orjson.dumps(record).decode()}
        answer = cedarpy.is_authorized(asked, policies, entities)
        return {int(name.removeprefix("policy")) for name in answer.diagnostics.reasons}

    return Engine("cedarpy", ask, [translate_cedar.context(r, bench.facts) for r in bench.records])


def regorus_interpreter(bench: Workbench) -> Engine:
    """regorus, its interpreter."""
    import regorus

    engine = regorus.Engine()
    engine.add_policy("policy.rego", translate_rego.module(bench.conditions))

    def ask(record: Record) -> set[int]:
        engine.set_input(record)
        return set(engine.eval_rule(translate_rego.ENTRY))

    return Engine("regorus, interpreter", ask, [translate_rego.context(r) for r in bench.records])


def regorus_compiled(bench: Workbench) -> Engine:
    """regorus, the policy compiled for its virtual machine."""
    import regorus

    modules = [("policy.rego", translate_rego.module(bench.conditions))]
    machine = regorus.Rvm()
    machine.load_program(regorus.Program.compile_from_modules("{}", modules, [translate_rego.ENTRY]))

    def ask(record: Record) -> set[int]:
        machine.set_input_json(orjson.dumps(record).decode())
        return set(orjson.loads(machine.execute()))

    return Engine("regorus, compiled", ask, [translate_rego.context(r) for r in bench.records])


def zen_table(bench: Workbench) -> Engine:
    """zen-engine, a decision graph with one table that collects its hits."""
    import zen

    decision = zen.ZenEngine().create_decision(json.dumps(translate_zen.table(bench.conditions)))

    def ask(record: Record) -> set[int]:
        return {int(row["n"]) for row in decision.evaluate(record)["result"]}

    return Engine("zen-engine, decision table", ask, [translate_zen.context(r) for r in bench.records])


def zen_expression(bench: Workbench) -> Engine:
    """All conditions as one list in ZEN's expression language, compiled: no rules, no third value."""
    import zen

    compiled = zen.compile_expression(translate_zen.listing(bench.conditions))

    def ask(record: Record) -> set[int]:
        return {number for number, holds in enumerate(compiled.evaluate(record)) if holds}

    return Engine("one ZEN list expression", ask, [translate_zen.context(r) for r in bench.records])


def cel_expression(bench: Workbench) -> Engine:
    """All conditions as one list in CEL: no rules, and one unknown makes all of it unknown."""
    checker = Checker({name: fact.type for name, fact in bench.facts.items()})
    program = checker.program("[" + ", ".join(map(to_text, bench.conditions)) + "]")

    def ask(record: Record) -> set[int]:
        return {number for number, holds in enumerate(program.evaluate(record)) if holds}

    return Engine("one CEL list expression", ask, bench.records)


PEERS = (cedar, regorus_interpreter, regorus_compiled, zen_table)
FLOORS = (cel_expression, zen_expression)
