"""Networks within the tables of durable_rules, values as it reads them, and forms that stay small."""

from __future__ import annotations

import time
from typing import Any

import pytest

from policy_engine.inference import Network, evaluate_all
from policy_engine.language.cel import Checker
from policy_engine.lowering.grouping import MAX_TAGS, MAX_TESTS, MAX_WIDTH, groups, leaves, width
from policy_engine.lowering.network import MAX_FIELDS, compile_networks
from policy_engine.lowering.to_durable import Names, lower
from policy_engine.lowering.values import LONG, MAX_STRING, encode, sayable

TYPES = {f"q.b{i}": "bool" for i in range(300)} | {"q.i": "int", "q.s": "string"}
CHECKER = Checker(TYPES)


def test_values_are_written_as_the_engine_reads_them() -> None:
    assert (
        encode([1e-9, 5e-324, 1.5, 2**63 - 1, True, 'é"\n'])
        == '[1.0e-09,5.0e-324,1.5,9223372036854775807,true,"é\\"\\n"]'
    )
    for value in (2**63, -(2**63) - 1, float("nan"), float("inf"), None, {1}):
        with pytest.raises(ValueError, match=r"beyond|finite|type"):
            encode(value)


def test_a_string_that_is_too_long_is_longer_than_every_constant() -> None:
    assert encode("x" * (MAX_STRING + 1)) == f'"{LONG}"'
    assert not sayable(LONG)
    assert sayable(LONG[:-1])
    assert not sayable("\x01" * 3_999)
    assert sayable(2**60)


@pytest.mark.parametrize(
    ("form", "wide", "tests"),
    [
        ({"f0": 1}, 1, 1),
        ({"$or": [{"f0": 1}, {"f0": 2}, {"$nex": {"f0": 1}}]}, 1, 3),
        ({"$or": [{"$lt": {"f0": 1}}, {"$gt": {"f0": 2}}, {"f0": 9}, {"$nex": {"f0": 1}}]}, 3, 4),
        ({"$or": [{"f0": 1}, {"f1": 1}, {"$nex": {"f2": 1}}]}, 3, 3),
        ({"$and": [{"$or": [{"f0": 1}, {"f1": 1}]}, {"$or": [{"f2": 1}, {"f3": 1}, {"f4": 1}]}]}, 4, 5),
        ({"$or": [{"$and": [{"f0": 1}, {"f1": 1}]}, {"f0": 1}]}, 2, 3),
    ],
)
def test_width_counts_what_can_wait_at_once(form: dict[str, Any], wide: int, tests: int) -> None:
    assert (width(form), leaves(form)) == (wide, tests)


def test_groups_keep_within_their_bounds() -> None:
    items = [({"$or": [{f"f{i}": 1} for i in range(size)]}, size) for size in [1, 5, 28, 3, 10, 10, 10, *[1] * 25]]
    found = list(groups(items))
    assert [size for group in found for _, size in group] == [size for _, size in items]
    for group in found:
        assert len(group) <= 10
        assert sum(width(form) for form, _ in group) <= MAX_WIDTH
        assert sum(leaves(form) for form, _ in group) <= MAX_TESTS


def test_networks_keep_within_fields_and_tags() -> None:
    conditions = [CHECKER.check(f"q.b{i % 300} || q.b{(i + 7) % 300} || q.i == {i}") for i in range(400)]
    for spec in compile_networks(conditions, TYPES):
        assert len(spec.fields) <= MAX_FIELDS + 3
        assert len(spec.tags) + len(spec.guards) <= MAX_TAGS


def test_a_condition_that_is_hoisted_leaves_no_fields_behind() -> None:
    names = Names()
    names.field_of("q.b1")
    forms = lower(CHECKER.check(" && ".join(f"q.b{i}" for i in range(260))), names)
    assert names.fields == {"q.b1": "f0"}
    assert len(names.atoms) == 1
    assert forms.T == {"a0": True}


def test_nested_conditionals_do_not_multiply() -> None:
    node = CHECKER.check("(" * 25 + "q.b0" + " ? q.b1 : q.b2)" * 25)
    started = time.process_time()
    lower(node, Names())
    assert time.process_time() - started < 1


def test_only_guards_of_missing_facts_wake() -> None:
    (spec,) = compile_networks([CHECKER.check(f"q.b{i}") for i in range(40)], TYPES)
    network = Network(spec, lambda text, facts: None)
    facts = {f"q.b{i}": i % 2 == 0 for i in range(40)}
    assert evaluate_all([network], 40, facts) == [i % 2 == 0 for i in range(40)]
    del facts["q.b7"]
    assert evaluate_all([network], 40, facts)[7] is None
    asleep = [guard for guard in spec.guards if "q.b7" not in guard.facts]
    assert len(asleep) == len(spec.guards) - 1


def test_an_error_leaves_the_session_usable() -> None:
    (spec,) = compile_networks([CHECKER.check("q.i > 1")], TYPES)
    network = Network(spec, lambda text, facts: None)
    with pytest.raises(ValueError, match="64 bits"):
        evaluate_all([network], 1, {"q.i": 2**70})
    assert evaluate_all([network], 1, {"q.i": 2}) == [True]
