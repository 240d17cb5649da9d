"""Conditions in Polars: what is written in the conformance files, and the traps where Polars differs from CEL."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from policy_engine.language import kleene
from policy_engine.language.cel import Checker
from policy_engine.lowering.patterns import PatternError, rust_pattern
from policy_engine.lowering.to_polars import Lowering, UnloweredError, answers, divided
from tests.asked_of_polars import disagreements
from tests.conformance.test_conditions import ENTRIES, TYPES, WORDS

CHECKER = Checker(TYPES)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["condition"] for entry in ENTRIES])
def test_polars_agrees_with_the_file(entry: dict[str, Any]) -> None:
    node = CHECKER.check(entry["condition"])
    found = answers(node, [case["facts"] for case in entry["cases"]], TYPES)
    expected = [(WORDS[case["is"]], frozenset(case.get("missing", ()))) for case in entry["cases"]]
    assert found == expected


def test_a_condition_is_asked_among_all_others_at_once() -> None:
    nodes = [CHECKER.check(entry["condition"]) for entry in ENTRIES]
    record = {"a.b": True, "a.i": -7, "a.s": "eu-west", "a.l": ["x", "y"]}
    frame = pl.DataFrame({name: [record.get(name)] for name in TYPES}, schema_overrides={"a.m": pl.List(pl.String)})
    frame = frame.cast({"a.c": pl.Boolean, "a.j": pl.Int64, "a.d": pl.Float64, "a.e": pl.Float64, "a.t": pl.String})
    lowering = Lowering()
    row = frame.lazy().select(**{str(n): lowering.truth(node) for n, node in enumerate(nodes)}).collect().row(0)
    assert list(row) == [kleene.truth(node, record, CHECKER.matches)[0] for node in nodes]


@pytest.mark.parametrize("by", [3.0, 1e6, 365.25 / 12, 7.7])
def test_a_division_is_rounded_once(by: float) -> None:
    numbers = [0.1 * number for number in range(2000)]
    frame = pl.DataFrame({"a.d": numbers})
    assert frame.select(divided(pl.col("a.d"), by))["a.d"].to_list() == [number / by for number in numbers]
    node = CHECKER.check(f"a.d / {by!r} == a.e")
    records = [{"a.d": number, "a.e": number / by} for number in numbers]
    assert {answer[0] for answer in answers(node, records, TYPES)} == {True}


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("a.i + 1", 2**53 - 2, 2**53 - 1),
        ("a.i + 1", 2**53 - 1, None),
        ("a.i * a.i", 2**40, None),
        ("a.d * 1e300", 1e10, None),
        ("a.d * 2.0", 1.5, 3.0),
    ],
)
def test_a_value_that_no_document_holds_is_unknown(text: str, value: Any, kept: Any) -> None:
    name = "a.i" if isinstance(value, int) else "a.d"
    node = CHECKER.check(text, expected=None)
    found = pl.DataFrame({name: [value]}).select(x=Lowering().kept(node))["x"][0]
    assert found == kept == kleene.value(node, {name: value})[0]


def test_an_infinity_divided_is_one() -> None:
    assert pl.DataFrame({"x": [math.inf]}).select(divided(pl.col("x"), 3.0))["x"][0] == math.inf


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d+$", "٣", False),  # an Arabic digit: a digit to Rust's own \d
        (r"\s", "\u2003", False),  # an em space
        (r"[\d.]+$", "1.5", True),
        ("[]x]", "]", True),
        ("[[:alpha:]]", "a", True),
        ("[^]]", "]", False),
        (r"a\.b", "axb", False),
        ("(?i)straSSe", "STRASSE", True),
        ("(?P<one>x)y", "xy", True),
    ],
)
def test_patterns_mean_what_re2_says(pattern: str, text: str, found: bool) -> None:
    ours = pl.Series([text]).str.contains(rust_pattern(pattern))[0]
    assert ours is found is CHECKER.matches(pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        r"\bx",
        r"\Bx",
        r"\W",
        r"\S",
        r"[a&&b]",
        r"[a--b]",
        r"[[a]",
        r"\Qx\E",
        r"\pL",
        r"\C",
        r"\1",
        r"\<",
        "(?x)a",
    ],
)
def test_patterns_that_the_engines_read_differently_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        rust_pattern(pattern)


def test_a_refused_pattern_is_named_with_its_place() -> None:
    node = CHECKER.check(r"a.b && a.s.matches('\\w+')")
    with pytest.raises(UnloweredError, match=r"the pattern `\\w\+` cannot be asked of a fleet") as caught:
        Lowering().truth(node)
    assert caught.value.at > 0


def test_lists_that_are_crossed_are_named() -> None:
    lowering = Lowering()
    lowering.truth(CHECKER.check("a.l.exists(x, x == a.s) || 'x' in a.m"))
    assert lowering.crossed == {"a.l"}
    node = CHECKER.check("a.l.all(x, x != a.s)")
    records = [{"a.l": ["y"] * length + ["x"], "a.s": "x"} for length in (0, 15, 16, 17, 40)]
    assert not disagreements(node, records, TYPES, CHECKER.matches)
