"""Where durable_rules has fixed tables: large conditions, many of them, and values it cannot hold."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.language.cel import Checker
from policy_engine.lowering.grouping import MAX_TAGS

BOOLS = {f"q.b{i}": "bool" for i in range(300)}
TYPES = BOOLS | {"q.i": "int", "q.s": "string", "q.l": "list<string>", "q.d": "double"}
RECORDS: list[dict[str, Any]] = [
    {},
    dict.fromkeys(BOOLS, True) | {"q.i": 7, "q.s": "k3", "q.l": ["k3"], "q.d": 1.5},
    dict.fromkeys(BOOLS, False) | {"q.i": 500, "q.s": "", "q.l": [], "q.d": -1.5},
    dict.fromkeys(list(BOOLS)[::2], True) | {"q.i": -1},
    dict.fromkeys(list(BOOLS)[::3], False) | {"q.s": "k249"},
]


def names(start: int, count: int) -> list[str]:
    return [f"q.b{i % 300}" for i in range(start, start + count)]


SETS = {
    "one wide or": [" || ".join(names(0, 200))],
    "one wide and": [" && ".join(names(0, 200))],
    "more facts than a fact may have properties": [" && ".join(names(0, 260))],
    "ten ors of a dozen": [" || ".join(names(i * 12, 12)) for i in range(10)],
    "eight ors of 25": [" || ".join(names(i * 25, 25)) for i in range(8)],
    "forty ors of 28": [" || ".join(names(i * 7, 28)) for i in range(40)],
    "ands of ors": [" && ".join(f"({' || '.join(names(i * 18 + j * 3, 3))})" for j in range(6)) for i in range(30)],
    "ors of ands": [" || ".join(f"({' && '.join(names(i * 18 + j * 3, 3))})" for j in range(6)) for i in range(30)],
    "more than 15 groups": [" && ".join(f"({' || '.join(names(j * 2, 2))})" for j in range(16))],
    "alternating, 20 deep": ["".join(f"q.b{i} {'&&' if i % 2 else '||'} (" for i in range(20)) + "q.b20" + ")" * 20],
    "conditional, 20 deep": ["(" * 20 + "q.b0" + "".join(f" ? q.b{i} : !q.b{i + 1})" for i in range(20))],
    "conditional in the branches": ["".join(f"q.b{i} ? q.b{i + 20} : " for i in range(28)) + "q.b0"],
    "long in-lists": ["q.s in [" + ", ".join(f"'k{i * 55 + j}'" for j in range(55)) + "]" for i in range(10)],
    "one in-list of 300": ["q.s in [" + ", ".join(f"'k{j}'" for j in range(300)) + "]"],
    "300 identical": ["q.i == 7 && q.b0"] * 300,
    "3000 different": [f"q.i == {i}" for i in range(3000)],
    "300 that all match": [f"q.i < {i}" for i in range(300)],
    "500 over 300 facts": [f"q.b{i % 300} && !q.b{(i * 7 + 1) % 300}" for i in range(500)],
    "atoms by the hundred": [f"q.s.startsWith('k{i}')" for i in range(400)],
    "lists by the hundred": [f"'k{i}' in q.l" for i in range(300)],
}


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(TYPES)


@pytest.mark.parametrize("name", SETS)
def test_engines_agree_at_the_limits(name: str, engines: Any, checker: Checker) -> None:
    found = engines(SETS[name], TYPES, checker)
    for record in RECORDS:
        found.agreed(record)
    for spec in found.specs:
        assert len(spec.tags) + len(spec.guards) <= MAX_TAGS


def test_several_networks_hold_what_one_cannot(engines: Any, checker: Checker) -> None:
    assert len(engines(SETS["500 over 300 facts"], TYPES, checker).specs) > 1
    assert len(engines(SETS["300 identical"], TYPES, checker).specs) == 1


@pytest.mark.parametrize("text", ["x" * 20_000, '"\\\n' * 8_000, "é" * 16_001, "x" * 4_000], ids=len)
def test_strings_that_are_too_long_for_durable_rules_compare_all_the_same(
    text: str, engines: Any, checker: Checker
) -> None:
    conditions = [
        "q.s == 'k3'",
        "q.s != 'k3'",
        "q.s in ['a', 'b']",
        "'k3' in q.l",
        "q.l.all(x, x != 'y')",
        "size(q.s) > 4",
    ]
    found = engines(conditions, TYPES, checker)
    assert found.agreed({"q.s": text, "q.l": [text, "k3"]}) == [False, True, False, True, True, True]
    assert found.agreed({"q.s": text, "q.l": [text]}) == [False, True, False, False, True, True]


def test_long_constants_are_said_by_the_cel_runtime(engines: Any, checker: Checker) -> None:
    long = "x" * 3_900
    found = engines([f"q.s == '{long}'"], TYPES, checker)
    assert found.agreed({"q.s": long}) == [True]
    assert found.agreed({"q.s": long + "x"}) == [False]


def test_long_lists(engines: Any, checker: Checker) -> None:
    found = engines(["'k3' in q.l", "q.l.exists(x, x == 'k3')", "size(q.l) > 9000"], TYPES, checker)
    assert found.agreed({"q.l": ["x"] * 9_500 + ["k3"]}) == [True, True, True]


def test_more_steps_than_the_cel_runtime_takes_are_unknown_and_no_error(engines: Any, checker: Checker) -> None:
    found = engines(["q.l.exists(x, x.startsWith('k'))"], TYPES, checker)
    facts = {"q.l": ["x"] * 12_000}
    assert found.durable(facts) == found.cel(facts) == [None]
