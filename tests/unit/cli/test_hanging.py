"""Words beside a label: wrapped under themselves, and never within a word."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from policy_engine.cli.hanging import Hanging

PLACE = "/a-folder/with-hyphens/and/many/others/below/rule.yaml:12:3"


def lines(label: str, words: str, width: int) -> list[str]:
    stream = StringIO()
    Console(file=stream, width=width, markup=False, highlight=False).print(Hanging(Text(label), words), crop=False)
    return [line.rstrip() for line in stream.getvalue().split("\n")[:-1]]


@pytest.mark.parametrize(
    ("label", "words", "width", "shown"),
    [
        ("name ", "one two", 20, ["name one two"]),
        ("name ", "one two three", 13, ["name one two", "     three"]),
        ("name ", "one\ntwo", 20, ["name one", "     two"]),
        ("name ", "", 20, ["name"]),
        ("- ", f"{PLACE}: it is wrong", 40, [f"- {PLACE}:", "  it is wrong"]),
        ("some name ", PLACE, 40, ["some name", f"    {PLACE}"]),
        ("some name ", f"in {PLACE}", 40, ["some name", "    in", f"    {PLACE}"]),
        ("name ", "模型 模型 模型", 14, ["name 模型 模型", "     模型"]),
        ("- ", "ask `policy waiver show ID`, then", 12, ["- ask", "  `policy waiver show ID`,", "  then"]),
        ("- ", "a `policy x` b `c d e f`", 14, ["- a `policy x`", "  b `c d e f`"]),
        ("- ", "a `quoted text` b", 12, ["- a `quoted", "  text` b"]),
        ("a label that is long ", "word", 12, ["a label that", "is long", "    word"]),
    ],
)
def test_words_wrap_under_themselves(label: str, words: str, width: int, shown: list[str]) -> None:
    assert lines(label, words, width) == shown


def test_a_label_is_styled_and_its_words_are_not() -> None:
    label = Text("name ")
    label.stylize("bold")
    console = Console(file=StringIO(), width=12)
    shown = list(Hanging(label, "one two three").__rich_console__(console, console.options))
    assert [[(span.start, span.end, span.style) for span in line.spans] for line in shown] == [[(0, 5, "bold")], []]
    assert label.plain == "name "
