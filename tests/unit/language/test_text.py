"""Trees printed as CEL: as few parentheses as CEL needs, and the same tree when read again."""

from __future__ import annotations

import msgspec
import pytest

from policy_engine.language.cel import Checker
from policy_engine.language.literals import literal, quote
from policy_engine.language.text import to_text
from policy_engine.language.tree import Const, Node, facts_read, replace_facts

TYPES = {"a.b": "bool", "a.c": "bool", "a.i": "int", "a.d": "double", "a.s": "string", "a.l": "list<string>"}
CHECKER = Checker(TYPES)

PRINTED = {
    "((a.b))": "a.b",
    "(a.b || a.c) && a.b": "(a.b || a.c) && a.b",
    "a.b || (a.c && a.b)": "a.b || a.c && a.b",
    "(a.b && a.c) && (a.b && a.c)": "a.b && a.c && a.b && a.c",
    "!(a.b == a.c)": "!(a.b == a.c)",
    "!(!a.b)": "!(!a.b)",
    "a.i - (1 - a.i) > 0": "a.i - (1 - a.i) > 0",
    "(a.i - 1) - a.i > 0": "a.i - 1 - a.i > 0",
    "(a.i + 1) * 2 > -3": "(a.i + 1) * 2 > -3",
    "-(5) < a.i": "-(5) < a.i",
    "a.i - -5 > 0": "a.i - -5 > 0",
    "-a.i * -(a.i + 1) > 0": "-a.i * -(a.i + 1) > 0",
    "a.b ? (a.c ? a.b : a.c) : a.b": "a.b ? (a.c ? a.b : a.c) : a.b",
    "(a.b ? a.c : a.b) ? a.b : (a.c ? a.b : a.c)": "(a.b ? a.c : a.b) ? a.b : a.c ? a.b : a.c",
    "(a.b ? 'x' : a.s).startsWith('y')": '(a.b ? "x" : a.s).startsWith("y")',
    "a.s.size() in [1, -2]": "size(a.s) in [1, -2]",
    "a.l.exists(x, x == 'é')": 'a.l.exists(x, x == "\\u00e9")',
    "a.l.exists(a, a == 'x' && .a.b)": 'a.l.exists(a, a == "x" && .a.b)',
    "a.l.exists(x, a.l.all(a, .a.b && a == x)) && a.b": "a.l.exists(x, a.l.all(a, .a.b && a == x)) && a.b",
    "a.d > 1e-9 && a.d < 5.0": "a.d > 1e-09 && a.d < 5.0",
}


@pytest.mark.parametrize(("text", "printed"), PRINTED.items())
def test_printed_as_it_could_be_written(text: str, printed: str) -> None:
    tree = CHECKER.check(text)
    assert to_text(tree) == printed
    again = CHECKER.check(printed)
    assert to_text(again) == printed
    assert msgspec.json.decode(msgspec.json.encode(tree), type=Node) == tree


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a.i == {i} ? a.b : " for i in range(28)) + "a.c",
        "a.i - (" * 27 + "a.i" + ")" * 27 + " > 3",
        "!(" * 27 + "a.b" + ")" * 27,
        "a.l.exists(x, " * 28 + "x == 'y'" + ")" * 28,
        " && ".join(["a.b"] * 400),
        "a.b == " * 30 + "a.b",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_as_deep_as_cel_takes_can_be_read_again(text: str) -> None:
    printed = to_text(CHECKER.check(text))
    CHECKER.program(printed)
    assert to_text(CHECKER.check(printed)) == printed


def test_a_negative_parameter_is_put_in_so_that_it_can_be_read() -> None:
    checker = Checker(TYPES | {"param.p": "int"})
    tree = replace_facts(checker.check("-param.p < a.i - param.p"), {"param.p": Const(-5, "int")})
    assert to_text(tree) == "-(-5) < a.i - -5"
    assert facts_read(CHECKER.check(to_text(tree))) == {"a.i"}


def test_literals() -> None:
    assert [literal(v) for v in (True, False, 3, -3, 2.0, 1e22, 5e-324)] == "true false 3 -3 2.0 1e+22 5e-324".split()
    assert quote('a"\\\n😀') == '"a\\u0022\\u005c\\u000a\\U0001f600"'
    with pytest.raises(ValueError, match="finite"):
        literal(float("inf"))
