"""What stands in a table or a list of facts: plain data, which `macros.html` shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct


class Link(Struct, frozen=True):
    """Text that leads to a page of the console; `note` stands below it."""

    kind: ClassVar[str] = "link"
    text: str
    href: str
    note: str | None = None
    code: bool = False
    """Whether the text is an id, in a typewriter's face."""


class When(Struct, frozen=True):
    """A time of the ledger, RFC 3339 in UTC; `date` shows the day alone, `zone` says UTC."""

    kind: ClassVar[str] = "when"
    moment: str
    date: bool = False
    zone: bool = True


class Verdict(Struct, frozen=True):
    """A verdict, by word, shape and colour."""

    kind: ClassVar[str] = "verdict"
    word: str


class Mark(Struct, frozen=True):
    """A state in a word, with a tone: `good`, `warn`, `bad`, `info` or `plain`."""

    kind: ClassVar[str] = "mark"
    word: str
    tone: str = "plain"


class Code(Struct, frozen=True):
    """A digest, an id, a name as it is written in a file; `short` shows so many digits of it."""

    kind: ClassVar[str] = "code"
    text: str
    short: int | None = None


class Lines(Struct, frozen=True):
    """Several cells below one another."""

    kind: ClassVar[str] = "lines"
    items: tuple[Any, ...]


class Muted(Struct, frozen=True):
    """A remark in place of a value: none, unknown, erased."""

    kind: ClassVar[str] = "muted"
    text: str


#: A cell: text, a number, None where there is nothing, or one of the above.
Cell = Any
_ASKING = re.compile(r"`(/waiver-request\?[A-Za-z0-9%=&_.~+-]+)`")


class Column(Struct, frozen=True):
    """A column: `kind` is `text`, `number` (right), `tight` (never broken), `code`, `narrow` or `wide`.

    What is `narrow` breaks its words wherever room is wanted, what is `wide` takes the room that there is.
    """

    heading: str
    kind: str = "text"


class Table(Struct, frozen=True):
    """A table. `head` is the column that names its row, None where none does; `empty` says what to do without rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing is on record."
    head: int | None = 0
    hidden_caption: bool = False
    stacked: bool = True
    """Whether a narrow screen shows each row as a block, instead of a table that scrolls in its box."""


def cell(value: Cell) -> str:
    """Return the kind of a cell."""
    kind: str = getattr(value, "kind", "text")
    return kind


def columns(*headings: str) -> tuple[Column, ...]:
    """Return columns by their headings: `>` is a number's, `#` a code's, `=` not broken, `%` narrow, `~` wide."""
    kinds = {">": "number", "#": "code", "=": "tight", "%": "narrow", "~": "wide"}
    return tuple(Column(each[1:], kinds[each[0]]) if each[:1] in kinds else Column(each) for each in headings)


def linked(line: Cell) -> list[Cell]:
    """Return a line in its parts, where it names the page that asks for a waiver (`ways_wording`) with a link."""
    parts: list[Cell] = [*_ASKING.split(line)] if isinstance(line, str) else [line]
    parts[1::2] = [Link("ask for it", str(href)) for href in parts[1::2]]
    return [each for each in parts if each != ""]
