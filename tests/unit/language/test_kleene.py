"""The three-valued evaluator's own side: values of expressions, and what an unknown rests on."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.language import kleene
from policy_engine.language.cel import Checker

TYPES = {
    "a.b": "bool",
    "a.c": "bool",
    "a.i": "int",
    "a.j": "int",
    "a.d": "double",
    "a.s": "string",
    "a.l": "list<string>",
}
CHECKER = Checker(TYPES)


@pytest.mark.parametrize(
    ("text", "type_", "facts", "value"),
    [
        ("a.i / 2 + a.j % 3", "int", {"a.i": -7, "a.j": -7}, -4),
        ("a.d / 4.0", "double", {"a.d": 1.0}, 0.25),
        ("a.b ? 'x' : a.s", "string", {"a.b": True}, "x"),
        ("size(a.l)", "int", {"a.l": ["x", "y"]}, 2),
        ("a.b || a.c", "bool", {"a.c": True}, True),
    ],
)
def test_values(text: str, type_: str, facts: dict[str, Any], value: Any) -> None:
    assert kleene.value(CHECKER.check(text, type_), facts) == (value, frozenset())


def test_an_unknown_value_names_what_is_missing() -> None:
    node = CHECKER.check("a.i + a.j * size(a.l)", "int")
    assert kleene.value(node, {"a.j": 1}) == (None, {"a.i", "a.l"})
    assert kleene.value(CHECKER.check("a.b ? a.s : 'x'", "string"), {}) == (None, {"a.b"})


@pytest.mark.parametrize(
    ("text", "type_", "facts"),
    [
        ("a.d * 10.0", "double", {"a.d": 1.5e308}),
        ("a.d * 10.0 - a.d * 10.0", "double", {"a.d": 1.5e308}),
        ("a.i * 100", "int", {"a.i": 2**53 - 1}),
        ("-a.i - 1", "int", {"a.i": 2**53 - 1}),
        ("a.i * a.i", "int", {"a.i": 2**53 - 1}),
    ],
)
def test_a_value_that_no_document_holds_is_unknown(text: str, type_: str, facts: dict[str, Any]) -> None:
    assert kleene.value(CHECKER.check(text, type_), facts) == (None, frozenset())
    assert kleene.kept(CHECKER.program(text).evaluate(facts)) is None


def test_what_cannot_decide_is_not_missing() -> None:
    node = CHECKER.check("(a.b && a.c) || a.i > 1")
    assert kleene.truth(node, {"a.b": False}) == (None, {"a.i"})
    assert kleene.truth(node, {"a.i": 2}) == (True, frozenset())


def test_quantifiers_take_no_more_steps_than_the_cel_runtime() -> None:
    for text, most in (("a.l.all(x, x == 'k')", 9_999), ("a.l.all(x, a.l.all(y, y == x))", 99)):
        node, program = CHECKER.check(text), CHECKER.program(text)
        for count, expected in ((most, True), (most + 1, None)):
            facts = {"a.l": ["k"] * count}
            assert kleene.truth(node, facts)[0] is program.evaluate(facts) is expected
    node = CHECKER.check("a.l.all(x, x == a.s || x == 'k')")
    assert kleene.truth(node, {"a.l": ["j"] * 10_001}) == (None, {"a.s"})


def test_matches_needs_a_matcher() -> None:
    node = CHECKER.check("a.s.matches('x')")
    assert kleene.truth(node, {"a.s": "x"}, CHECKER.matches) == (True, frozenset())
    with pytest.raises(LookupError):
        kleene.truth(node, {"a.s": "x"})
