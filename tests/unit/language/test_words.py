"""Constants that what they are compared with can never be, as the CEL runtime's own answers tell."""

from __future__ import annotations

from itertools import product

import pytest

from policy_engine.language.cel import Checker
from policy_engine.language.words import strays

WORDS = {"a.kind": ("one", "two"), "a.other": ("two", "three"), "a.many": ("red", "blue")}
TYPES = {"a.kind": "string", "a.other": "string", "a.many": "list<string>", "a.free": "string", "a.yes": "bool"}


def stray(text: str) -> list[tuple[str, str]]:
    checked = Checker(TYPES).check(text)
    found = [(str(each.constant.value), each.name) for each in strays(checked, WORDS.get)]
    assert all(text[each.constant.at :].startswith(f"'{each.constant.value}'") for each in strays(checked, WORDS.get))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.kind == 'ony'", [("ony", "a.kind")]),
        ("'ony' != a.kind", [("ony", "a.kind")]),
        ("a.kind in ['one', 'too', 'tow']", [("too", "a.kind"), ("tow", "a.kind")]),
        ("'one' in [a.kind, a.other] && 'four' in [a.kind, a.other]", [("four", "a.kind")]),
        ("'rad' in a.many || !('blue' in a.many)", [("rad", "a.many")]),
        ("a.many == ['red', 'blu']", [("blu", "a.many")]),
        ("a.many.exists(m, m == 'rad' || m == 'red')", [("rad", "a.many")]),
        ("a.many.all(m, a.many.exists(n, n == 'x' && m in ['y', 'red']))", [("x", "a.many"), ("y", "a.many")]),
        ("(a.yes ? a.kind : a.other) == 'four'", [("four", "a.kind")]),
        ("(a.yes ? a.kind : a.other) == 'three'", []),
        ("(a.yes ? 'one' : 'thre') == a.kind", [("thre", "a.kind")]),
        ("(a.yes ? a.kind : a.free) == 'anything'", []),
        ("['x', 'y'].exists(m, m == a.kind)", []),
        ("['x', 'y'].exists(m, m == 'z') || a.free == 'z' || 'p' == 'q'", []),
        ("a.kind.startsWith('x') || a.kind < 'm' || a.kind.matches('o.*')", []),
    ],
)
def test_strings_that_can_never_stand_there_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert stray(text) == expected


@pytest.mark.parametrize(
    "text", ["a.kind == '{}'", "a.kind in ['{}']", "'{}' in a.many", "a.many.exists(m, m == '{}')"]
)
@pytest.mark.parametrize("word", ["one", "three", "red", "green"])
def test_what_is_found_never_holds_and_what_is_not_may(text: str, word: str) -> None:
    condition = text.format(word)
    checked = Checker(TYPES)
    held = False
    for kind, many in product(WORDS["a.kind"], (["red"], ["blue"], ["red", "blue"], [])):
        held |= checked.program(condition).evaluate({"a.kind": kind, "a.many": many}) is True
    assert held is not bool(stray(condition))
