"""The mutants of an expression: what each operator makes of it, all of them rules that CEL takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from policy_engine.language.cel import Checker
from policy_engine.language.text import to_text
from policy_engine.mutants.operators import Setting, mutants_of
from tests.property.test_conditions import CHECKER, CONDITION, checked, shape

TYPES = {"a.b": "bool", "a.i": "int", "a.d": "double", "a.k": "string", "a.s": "string", "a.l": "list<string>"}
OWN = Checker(TYPES | {"param.least": "int", "param.share": "double", "param.on": "bool"})
SETTING = Setting({"a.k": ("u", "v", "w"), "a.l": ("x", "y")}, {"least": 3, "share": 4.0, "on": True})
EXPECTED = {
    "a.b": ["!a.b"],
    "!a.b": ["a.b"],
    "a.i < 7": ["a.i <= 7", "a.i > 7", "a.i >= 7", "a.i < 6", "a.i < 8"],
    "a.i == 7": ["a.i != 7", "a.i == 6", "a.i == 8"],
    "a.d >= 2.0": ["a.d < 2.0", "a.d <= 2.0", "a.d > 2.0", "a.d >= 1.998", "a.d >= 2.002"],
    "a.d > 0.0": ["a.d < 0.0", "a.d <= 0.0", "a.d >= 0.0", "a.d > -0.001", "a.d > 0.001"],
    "a.i > param.least": [
        "a.i < param.least",
        "a.i <= param.least",
        "a.i >= param.least",
        "a.i > param.least - 1",
        "a.i > param.least + 1",
    ],
    "a.d != param.share": ["a.d == param.share", "a.d != param.share - 0.004", "a.d != param.share + 0.004"],
    "a.b == param.on": ["a.b != param.on", "!a.b == param.on", "a.b == !param.on"],
    # the word after it in the enumeration, the first after the last, and one that is not in the list already
    "a.k == 'w'": ['a.k != "w"', 'a.k == "u"'],
    "a.s == 'free'": ['a.s != "free"', 'a.s == "other"'],
    "a.k in ['u', 'v']": [
        '!(a.k in ["u", "v"])',
        'a.k in ["v"]',
        'a.k in ["u"]',
        'a.k in ["w", "v"]',
        'a.k in ["u", "w"]',
    ],
    "a.l.exists(m, m == 'x')": [
        'a.l.all(m, m == "x")',
        '!a.l.exists(m, m == "x")',
        'a.l.exists(m, m != "x")',
        'a.l.exists(m, m == "y")',
    ],
    "a.b && a.i > 1 && a.k == 'u'": [
        'a.b || a.i > 1 || a.k == "u"',
        '!(a.b && a.i > 1 && a.k == "u")',
        'a.i > 1 && a.k == "u"',
        'a.b && a.k == "u"',
        "a.b && a.i > 1",
        '!a.b && a.i > 1 && a.k == "u"',
        'a.b && a.i < 1 && a.k == "u"',
        'a.b && a.i <= 1 && a.k == "u"',
        'a.b && a.i >= 1 && a.k == "u"',
        'a.b && a.i > 0 && a.k == "u"',
        'a.b && a.i > 2 && a.k == "u"',
        'a.b && a.i > 1 && a.k != "u"',
        'a.b && a.i > 1 && a.k == "v"',
    ],
    "a.s.startsWith('x')": ['a.s.endsWith("x")', '!a.s.startsWith("x")', 'a.s.startsWith("other")'],
    "(a.b ? a.i : 2) > 3": [
        "(a.b ? a.i : 2) < 3",
        "(a.b ? a.i : 2) <= 3",
        "(a.b ? a.i : 2) >= 3",
        "(a.b ? 2 : a.i) > 3",
        "a.i > 3",
        "2 > 3",
        "(!a.b ? a.i : 2) > 3",
        "(a.b ? a.i : 1) > 3",
        "(a.b ? a.i : 3) > 3",
        "(a.b ? a.i : 2) > 2",
        "(a.b ? a.i : 2) > 4",
    ],
    "a.i * 2 == 4": [
        "a.i * 2 != 4",
        "a.i / 2 == 4",
        "a.i * 1 == 4",
        "a.i * 3 == 4",
        "a.i * 2 == 3",
        "a.i * 2 == 5",
    ],
    "-a.i == 4": ["-a.i != 4", "a.i == 4", "-a.i == 3", "-a.i == 5"],
}


@pytest.mark.parametrize("text", EXPECTED)
def test_what_becomes_of_an_expression(text: str) -> None:
    assert [mutant.text for mutant in mutants_of(OWN.check(text), SETTING)] == EXPECTED[text]


def test_what_is_derived_becomes_another_value_of_its_fact() -> None:
    node = OWN.check("a.b ? 'u' : 'w'", "string")
    setting = Setting(SETTING.words, SETTING.parameters, "a.k")
    assert [mutant.text for mutant in mutants_of(node, setting)] == [
        'a.b ? "w" : "u"',
        '"u"',
        '"w"',
        '!a.b ? "u" : "w"',
        'a.b ? "v" : "w"',
        'a.b ? "u" : "u"',
    ]


def test_each_says_what_it_is_and_where() -> None:
    text = "a.b && !(a.k in ['u', 'v'])"
    found = [(text[each.at :][:3], each.says) for each in mutants_of(OWN.check(text), SETTING)]
    assert found[0] == ("&& ", "`&&` becomes `||`")
    assert ("a.b", "`a.b` is left out") in found
    assert ("!(a", "`!` is left out") in found
    assert ("'v'", '`"v"` is left out of the list') in found
    assert ("'v'", '`"v"` becomes `"w"`') in found


@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(CONDITION)
def test_every_mutant_is_another_expression_that_cel_takes(text: str) -> None:
    tree = checked(text)
    if tree is None:
        return
    seen = {to_text(tree)}
    for mutant in mutants_of(tree, Setting({}, {})):
        assert mutant.text not in seen
        seen.add(mutant.text)
        again = checked(mutant.text)
        # sums that CEL reads with other parentheses, and constants beyond 2^53, are another matter
        if again is not None:
            assert CHECKER.check(to_text(again)).type == "bool"
            assert shape(again) != shape(tree)
