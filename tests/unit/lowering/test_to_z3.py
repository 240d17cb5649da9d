"""Conditions as formulas of Z3: with every fact fixed they come to what the CEL runtime says, unknowns included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.cases import gather
from policy_engine.errors import RulesError
from policy_engine.language import tree
from policy_engine.language.cel import Checker
from policy_engine.language.tree import FactRef, replace_facts
from policy_engine.lowering.to_z3 import NotLoweredError, outcome
from policy_engine.model.rule import Rule
from tests.unit.proofs.given import AT, of, rule

CONFORMANCE = Path(__file__).parents[2] / "conformance"
WORDS = {True: True, False: False, "unknown": None}
TYPES = {"a.b": "bool", "a.c": "bool", "a.i": "int", "a.j": "int", "a.d": "double", "a.e": "double"}
TYPES |= {"a.s": "string", "a.t": "string", "a.l": "list<string>", "a.m": "list<string>"}
CHECKER = Checker(TYPES)


@pytest.mark.parametrize("file", sorted((CONFORMANCE / "conditions").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_conformance_cases_come_out_as_they_say(file: Path) -> None:
    for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
        node = CHECKER.check(entry["condition"])
        for case in entry["cases"]:
            found = outcome(node, case["facts"], TYPES, CHECKER.matches)
            assert found is WORDS[case["is"]], (entry["condition"], case)


def test_every_case_of_every_shipped_rule_comes_out_as_it_says() -> None:
    words = {"fired": True, "not_fired": False, "indeterminate": None}
    (layer,) = gather([])
    policy = layer.policy
    types: dict[str, str] = {name: fact.type for name, fact in policy.vocabulary.facts.items()}
    checker, count = Checker(types), 0
    parameters = {f"param.{name}": tree.Const(p.value, p.type) for name, p in policy.rules.parameters.items()}
    for case in (case for file in layer.files for case in file.cases):
        found = policy.rules.rule(case.rule)
        assert found is not None
        changed = {
            f"param.{name}": tree.Const(value, parameters[f"param.{name}"].type) for name, value in case.params.items()
        }
        node = replace_facts(found.condition, parameters | changed)
        assert outcome(node, case.facts, types, checker.matches) is words[case.outcome], case
        count += 1
    assert count > 300


@pytest.mark.parametrize(
    ("text", "facts", "expected"),
    [
        ("(a.b ? a.l : a.m) == a.l", {"a.b": True, "a.l": ["x"], "a.m": []}, True),
        ("(a.b ? a.l : a.m).exists(x, x == 'q')", {"a.b": False, "a.l": [], "a.m": ["q"]}, True),
        ("'q' in (a.b ? a.l : a.m)", {"a.b": True, "a.l": ["r"]}, False),
        ("size(a.b ? a.l : a.m) == 2", {"a.b": True, "a.l": ["r", "r"]}, True),
        ("a.l.exists(x, a.m.exists(y, x == y && x.contains('p')))", {"a.l": ["ap"], "a.m": ["ap", "b"]}, True),
        ("a.l.all(x, x.startsWith(a.s) || a.b)", {"a.l": ["ax", "b"], "a.s": "a"}, None),
        ("a.l.exists(x, size(x) > 3)", {"a.l": ["abc", "abcd"]}, True),
        ("0.1 + 0.2 == 0.3", {}, False),
        ("a.d + 0.2 > 0.3", {"a.d": 0.1}, True),
        ("a.d * 1.0e308 > a.e", {"a.d": 1e300, "a.e": 1.7e308}, True),
        ("(a.d * 1.0e308) - (a.d * 1.0e308) == 0.0", {"a.d": 1e300}, False),
        ("a.i * a.j > 0", {"a.i": 2**62, "a.j": 2}, None),
        ("a.i % -1 == 0", {"a.i": -(2**63)}, None),
        ("-7 / 2 == a.i && -7 % 5 == a.j", {"a.i": -3, "a.j": -2}, True),
    ],
)
def test_what_the_files_do_not_have(text: str, facts: dict[str, Any], expected: bool | None) -> None:
    assert CHECKER.program(text).evaluate(facts) is expected
    assert outcome(CHECKER.check(text), facts, TYPES, CHECKER.matches) is expected


def test_what_cannot_be_said_is_refused_by_name() -> None:
    with pytest.raises(NotLoweredError):
        outcome(FactRef("a.i", "bool"), {"a.i": 1}, TYPES, CHECKER.matches)
    from policy_engine.proofs.prover import Prover

    broken: Rule = rule("data-stays-in-network", condition=FactRef("task.latency_p95_ms", "bool"))
    with pytest.raises(RulesError) as caught:
        Prover(of(broken), AT, 1.0)
    assert caught.value.code == "not-provable"
    assert caught.value.problems[0].message.startswith("rule `data-stays-in-network` cannot be said to the prover")
