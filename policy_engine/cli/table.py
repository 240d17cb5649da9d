"""Tables for a terminal: wrapped between words alone, and told row by row where there is no room for columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from policy_engine.cli.hanging import Hanging, wrapped
from policy_engine.cli.sections import MARKS

_EDGE, _GAP = 1, 2
_BELOW = 4  # the margin of what stands below its row
_ROOM = 20  # a column of prose that is narrower than this is hard to read


@dataclass(frozen=True)
class _Column:
    name: str
    mark: str
    cells: Sequence[str]

    @cached_property
    def widest(self) -> int:
        return max(cell_len(line) for cell in (self.name, *self.cells) for line in cell.split("\n"))

    @cached_property
    def least(self) -> int:
        """The width below which a word breaks, or prose is squeezed."""
        if self.mark in (">", "="):
            return self.widest
        longest = max((cell_len(word) for cell in (self.name, *self.cells) for word in cell.split()), default=0)
        return max(longest, min(self.widest, _ROOM))


@dataclass(frozen=True)
class Table:
    """Rows under a header, of which nothing is cut, and no word broken.

    Columns stand beside one another where there is room for that; else those marked `~` go below their rows; and
    where that is not enough, each row is a block of names and values. For the marks see `sections.Section`.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | Hanging]:
        columns = [
            _Column(name.lstrip(MARKS), name[: len(name) - len(name.lstrip(MARKS))], [row[at] for row in self.rows])
            for at, name in enumerate(self.header)
        ]
        beside = [column for column in columns if column.mark != "~"]
        below = [column for column in columns if column.mark == "~"]
        yield Text("")
        for shown, rest in ((columns, []), (beside, below)):
            widths = _widths(shown, options.max_width) if shown else None
            if widths is not None:
                yield from _lines(shown, rest, widths, len(self.rows))
                return
        yield from _blocks(columns, len(self.rows))


def _widths(columns: Sequence[_Column], width: int) -> list[int] | None:
    """Give each column what it needs at least, and what is left to those that want it, the narrowest first."""
    widths = [column.least for column in columns]
    spare = width - _EDGE - _GAP * (len(columns) - 1) - sum(widths)
    if spare < 0:
        return None
    for _ in range(spare):
        wanting = [at for at, column in enumerate(columns) if widths[at] < column.widest]
        if not wanting:
            break
        widths[min(wanting, key=widths.__getitem__)] += 1
    return widths


def _lines(
    columns: Sequence[_Column], below: Sequence[_Column], widths: Sequence[int], rows: int
) -> Iterator[Text | Hanging]:
    margin = Text(" " * _BELOW)
    yield from _row([(column, column.name) for column in columns], widths, "bold")
    for column in below:
        yield _line(" " * _BELOW + column.name, "bold")
    yield _line(" " * _EDGE + "─" * (sum(widths) + _GAP * (len(widths) - 1)))
    for number in range(rows):
        yield from _row([(column, column.cells[number]) for column in columns], widths)
        for column in below:
            if column.cells[number]:
                yield Hanging(margin, column.cells[number])


def _row(cells: Sequence[tuple[_Column, str]], widths: Sequence[int], style: str = "") -> Iterator[Text]:
    parts = [list(wrapped(cell, width)) for (_, cell), width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, parts))):
        line = " " * _EDGE
        for (column, _), part, width in zip(cells, parts, widths, strict=True):
            text = part[number] if number < len(part) else ""
            pad = " " * (width - cell_len(text))
            line += (pad + text if column.mark == ">" else text + pad) + " " * _GAP
        yield _line(line.rstrip(), style)


def _blocks(columns: Sequence[_Column], rows: int) -> Iterator[Text | Hanging]:
    width = max(cell_len(column.name) for column in columns)
    for number in range(rows):
        if number:
            yield Text("")
        for column in columns:
            if column.cells[number]:
                label = Text(" " * _EDGE + column.name + " " * (width - cell_len(column.name) + 1))
                label.stylize("bold")
                yield Hanging(label, column.cells[number])


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ignore")
