"""Distinct values asked once come to what every value asked by itself does."""

from __future__ import annotations

import re

import polars as pl
import pytest

from policy_engine.fleet.sieving import in_pattern, is_one_of, items_hold, read_apart, recurring
from policy_engine.model.fields import LINE_PATTERN

GOOD, BAD = ["a", "b c", "é", "=1"], ["", " a", "a ", "a\nb"]
FEW = [GOOD[number % 4] for number in range(3_000)]
MANY = [f"t{number}" for number in range(3_000)]


def asked(expression: pl.Expr, values: list[object], kind: object = pl.String) -> list[bool]:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=kind)})  # type: ignore[arg-type]
    return frame.lazy().select(pl.col("x").is_null() | expression).collect(engine="streaming")["x"].to_list()


@pytest.mark.parametrize("some", [FEW, MANY])
@pytest.mark.parametrize("more", [[], [None], BAD, [*BAD, None]])
def test_a_pattern(some: list[str], more: list[str | None]) -> None:
    values = [*some, *more]
    wanted = [text is None or re.fullmatch(LINE_PATTERN, text) is not None for text in values]
    assert asked(in_pattern("x", LINE_PATTERN), list(values)) == wanted


@pytest.mark.parametrize("bad", [[], ["moon"], [None], ["eu", None], ["eu", "moon"]])
def test_items(bad: list[str | None]) -> None:
    good: list[list[str | None] | None] = [["eu"], ["us", "eu"], [], None]
    values = [*good * 50, *([bad] if bad else [])]
    wanted = [value is None or all(item in ("eu", "us") for item in value) for value in values]
    found = asked(items_hold("x", lambda item: item.is_in(["eu", "us"])), list(values), pl.List(pl.String))
    assert [bool(each) for each in found] == wanted


def test_what_recurs() -> None:
    assert recurring(pl.Series(MANY)) is None
    found = recurring(pl.Series([*FEW, None]))
    assert found is not None
    assert sorted(found) == sorted(GOOD)


@pytest.mark.parametrize("known", [(), ("a",), ("a", "b c"), tuple("abcdefghijk")])
def test_one_of_several(known: tuple[str, ...]) -> None:
    values = [*GOOD, *BAD, None]
    assert [bool(each) for each in asked(is_one_of(pl.col("x"), known), list(values))] == [
        text is None or text in known for text in values
    ]


@pytest.mark.parametrize("texts", [[*FEW, None, "lost"], [*MANY, None, "lost"]])
def test_what_is_read_of_texts(texts: list[str | None]) -> None:
    calls: list[str | None] = []

    def read(text: str | None) -> str | None:
        calls.append(text)
        return None if text in (None, "lost") else f"<{text}>"

    wanted = [None if text in (None, "lost") else f"<{text}>" for text in texts]
    assert read_apart(pl.Series("x", texts, dtype=pl.String), read).to_list() == wanted
    assert len(calls) == (5 if texts[0] == "a" else len(texts))
