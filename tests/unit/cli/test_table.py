"""Tables on a terminal: wrapped between words alone, and told row by row where there is no room."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from policy_engine.cli.sections import Section, as_markdown
from policy_engine.cli.table import Table

HEADER = (">#", "=Verdict", "Rule", "~Why")
ROWS = (
    ("1", "allow", "regulated-data-favours-own-hosting", "it is so because of what it is, and not otherwise"),
    ("12", "deny", "short", ""),
    ("3", "allow_with_conditions", "模型-模型 is wide", "one-unbreakable-word-that-is-longer-than-all"),
)


def lines(width: int, header: tuple[str, ...] = HEADER, rows: tuple[tuple[str, ...], ...] = ROWS) -> list[str]:
    stream = StringIO()
    Console(file=stream, width=width, markup=False, highlight=False).print(Table(header, rows), crop=False)
    return [line.rstrip() for line in stream.getvalue().split("\n")[:-1]]


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 160, 200])
def test_no_word_is_broken_or_lost_at_any_width(width: int) -> None:
    shown = lines(width)
    words = " ".join(shown).split()
    for row in ROWS:
        for cell in row:
            assert set(cell.split()) <= set(words)
    for line in shown:
        assert Console().measure(line).maximum <= width or len(line.split()) == 1, line


def test_columns_stand_side_by_side_where_there_is_room() -> None:
    header, rows = (">#", "=Name", "Text"), (("1", "one", "a b"), ("22", "three", "c"))
    assert lines(40, header, rows) == [
        "",
        "  #  Name   Text",
        " ───────────────",
        "  1  one    a b",
        " 22  three  c",
    ]


def test_a_marked_column_goes_below_before_rows_become_blocks() -> None:
    header, rows = (">#", "=Name", "~Text"), (("1", "one", "words-that-are-long and-more-of-them"), ("2", "two", ""))
    assert lines(29, header, rows) == [
        "",
        " #  Name",
        "    Text",
        " ───────",
        " 1  one",
        "    words-that-are-long",
        "    and-more-of-them",
        " 2  two",
    ]


def test_rows_become_blocks_where_columns_have_no_room() -> None:
    header, rows = (">#", "=Name", "Text"), (("1", "one-and-a-half", "some words that wrap"), ("2", "two", ""))
    assert lines(22, header, rows) == [
        "",
        " #    1",
        " Name one-and-a-half",
        " Text some words that",
        "      wrap",
        "",
        " #    2",
        " Name two",
    ]


def test_what_is_left_goes_to_the_narrowest_that_wants_it() -> None:
    header = ("A", "B")
    rows = (("a " * 30, "b " * 30),)
    first = lines(61, header, rows)[3]
    assert first.count("a") == first.count("b") == 15


def test_marks_are_not_shown() -> None:
    text = as_markdown([Section(header=HEADER, rows=ROWS)])
    assert "| # | Verdict | Rule | Why |" in text.replace("\\", "")
    assert "~" not in text


@pytest.mark.parametrize("before", [{"lines": ["one"]}, {"pairs": [("name", "value")]}])
def test_a_table_behind_a_list_stands_apart_in_markdown(before: dict[str, Any]) -> None:
    text = as_markdown([Section(header=HEADER, rows=ROWS, **before)])
    kinds = [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
    assert kinds.index("bullet_list_close") < kinds.index("table_open")
