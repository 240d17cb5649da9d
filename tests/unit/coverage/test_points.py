"""Which parts of a condition facts exercise, held to CEL's runtime on texts in which a part is replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from policy_engine.coverage.points import exercised, parts_of
from policy_engine.language.cel import Checker, ConditionError
from policy_engine.language.paths import places, start
from policy_engine.language.tree import And, Choose, Const, ListOf, Node, Not, Or, Quantified, Variable
from tests.property.test_conditions import CHECKER, FULL, NARROW, checked, shape, simple
from tests.property.test_conditions import facts as facts_of

TYPES = {"a.s": "string", "a.b": "bool", "a.c": "bool", "a.i": "int", "a.l": "list<string>"}
OWN = Checker(TYPES)


def sides(text: str, *cases: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the parts that `cases` exercise: the text from where each stands, up to the next blank, and its side."""
    node = OWN.check(text)
    keys = {key for facts in cases for key in exercised(node, facts, OWN.matches)}
    return {(text[part.at :].partition(" ")[0], part.side) for part in parts_of(node) if part.key in keys}


@pytest.mark.parametrize(
    ("text", "facts", "expected"),
    [
        # each of what is needed decides; of several that are false, none does
        ("a.b && a.c", {"a.b": True, "a.c": True}, {("a.b", "true"), ("a.c", "true")}),
        ("a.b && a.c", {"a.b": False, "a.c": True}, {("a.b", "false")}),
        ("a.b && a.c", {"a.b": False, "a.c": False}, set()),
        ("a.b || a.c", {"a.b": True, "a.c": True}, set()),
        ("a.b || a.c", {"a.b": True, "a.c": False}, {("a.b", "true")}),
        # the opposite would leave the outcome unknown, which is another one
        ("a.b && a.c", {"a.b": False}, {("a.b", "false")}),
        # nothing is exercised where the outcome is unknown
        ("a.b && a.c", {"a.b": True}, set()),
        # masked: what stands in an operand that does not matter does not matter
        ("a.b && (a.c || a.i > 1)", {"a.b": False, "a.c": False, "a.i": 1}, set()),
        ("a.b || !a.c", {"a.b": False, "a.c": True}, {("a.b", "false"), ("a.c", "true")}),
        # members of a list, where the membership decides
        ("a.b && a.s in ['u', 'v']", {"a.b": True, "a.s": "v"}, {("a.b", "true"), ("a.s", "true"), ("'v']", "member")}),
        ("a.b && a.s in ['u', 'v']", {"a.b": False, "a.s": "v"}, {("a.b", "false")}),
        ("a.s in ['u', 'v']", {"a.s": "u"}, {("'u',", "member")}),
        # arms, where the other would change the outcome
        (
            "a.b ? a.c : a.i > 1",
            {"a.b": True, "a.c": True, "a.i": 1},
            {("a.b", "true"), ("a.c", "true"), ("a.c", "then")},
        ),
        ("a.b ? a.c : a.i > 1", {"a.b": False, "a.c": True, "a.i": 2}, {("a.i", "true")}),
        ("(a.b ? a.i : 5) > 3", {"a.b": False, "a.i": 1}, {("5)", "otherwise"), ("a.b", "false")}),
        # lists, empty or not, and each item for itself
        ("a.l.exists(m, m != 'x')", {"a.l": []}, {("a.l.exists(m,", "empty")}),
        ("a.l.all(m, m != 'x')", {"a.l": []}, {("a.l.all(m,", "empty")}),
        ("a.l.exists(m, m != 'x')", {"a.l": ["x"]}, {("a.l.exists(m,", "items"), ("m", "false")}),
        ("a.l.exists(m, m != 'x')", {"a.l": ["y", "y"]}, {("a.l.exists(m,", "items")}),
        ("a.l.exists(m, m != 'x' && a.b)", {"a.l": ["y"]}, set()),
        (
            "a.l.exists(m, m != 'x' && a.b)",
            {"a.l": ["y"], "a.b": False},
            {("a.l.exists(m,", "items"), ("a.b)", "false")},
        ),
    ],
)
def test_what_a_case_exercises(text: str, facts: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert sides(text, facts) == expected


def test_a_single_atom_has_no_parts_of_its_own() -> None:
    """Its outcomes are what it can be; a list's members are more than that."""
    assert list(parts_of(OWN.check("a.b"))) == []
    assert list(parts_of(OWN.check("!(a.i > 1)"))) == []
    assert [(part.side, part.at) for part in parts_of(OWN.check("!(a.s in ['u', 'v'])"))] == [
        ("member", 10),
        ("member", 15),
    ]


def test_parts_stand_where_their_text_begins() -> None:
    text = "size(a.l) > 2 && a.s.startsWith('x')"
    assert [part.at for part in parts_of(OWN.check(text)) if part.side == "true"] == [0, 17]


JOINED = st.recursive(
    simple(()) | facts_of("bool", ()).map(lambda name: f"({name})"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=400, derandomize=True, database=None)
@given(JOINED, FULL | NARROW)
def test_an_atom_is_exercised_where_cel_comes_out_otherwise_with_its_opposite(text: str, facts: dict[str, Any]) -> None:
    """The oracle puts `true` or `false` into the text, and asks the CEL runtime; loops stand for themselves."""
    tree = checked(text)
    if tree is None or any(isinstance(each, Quantified | Variable) for _, each in places(tree)):
        return
    tried = 0
    whole = CHECKER.program(text).evaluate(facts)
    found = exercised(tree, facts, CHECKER.matches)
    for path, node in places(tree):
        if node.type != "bool" or isinstance(node, Not | And | Or | Choose | Const | ListOf):
            continue
        printed = _end(text, start(node))
        if printed is None or not _is(node, text[start(node) : printed]):
            continue
        tried += 1
        held = CHECKER.program(text[start(node) : printed]).evaluate(facts)
        if whole is None or held is None:
            assert (path, "true", 0) not in found
            assert (path, "false", 0) not in found
            continue
        other = text[: start(node)] + str(not held).lower() + text[printed:]
        differs = CHECKER.program(other).evaluate(facts) != whole
        assert ((path, str(held).lower(), 0) in found) is differs, (text, node)
    event(f"atoms tried: {tried}")


def _is(node: Node, text: str) -> bool:
    """Whether `text` is all of `node`: a comparison may begin with parentheses of its own."""
    try:
        return bool(shape(CHECKER.check(text)) == shape(node))
    except ConditionError:
        return False


def _end(text: str, begin: int) -> int | None:
    """Return where the part in parentheses that starts at `begin` ends: generated comparisons stand in some."""
    if begin == 0 or text[begin - 1] != "(":
        return None
    depth, quoted, at = 0, False, begin
    while at < len(text):
        char = text[at]
        if quoted:
            at += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return None
