"""What a format is told before the rows come, and the file that it writes them to. Rows are streamed: none is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from policy_engine.reports.report import Bound, Cell, Column, Period, Query, Row

__all__ = ["Bound", "Cell", "Column", "Head", "Period", "Query", "Row", "TableWriter", "text_of"]


@dataclass(frozen=True)
class Head:
    """All that an export says of itself but its rows.

    `arguments` are the query's, for programs, which never name a person; None where the query could. `printed` are the
    columns that fit on a page, all where it is empty. `population` counts all of what `selected` are chosen from.
    """

    name: str
    title: str
    query: Query
    arguments: Mapping[str, Any] | None
    period: Period
    checkpoint: Bound
    population: int
    selected: int
    counted: str
    columns: tuple[Column, ...]
    created_at: str
    generator: str
    personal: bool = False
    printed: tuple[str, ...] = ()
    summary: tuple[tuple[str, Cell], ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def printed_columns(self) -> list[int]:
        """The places of the columns that are printed."""
        return [at for at, column in enumerate(self.columns) if not self.printed or column.name in self.printed]


class TableWriter(Protocol):
    """Writes one file; `close` is called once, after the last row, with the SHA-256 of the files beside it by name."""

    def write(self, row: Row) -> None: ...

    def close(self, beside: Mapping[str, str]) -> None: ...


class Opener(Protocol):
    """What each format's module calls `open_writer`."""

    def __call__(self, stream: IO[bytes], head: Head) -> TableWriter: ...


def text_of(cell: Cell) -> str:
    """Write a cell as people read it: nothing for None, a list by commas."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, tuple):
        return ", ".join(cell)
    return str(cell)


def row_of(columns: Sequence[Column], values: Mapping[str, Cell]) -> Row:
    """Return the cells in the order of the columns; what is not there is None."""
    return tuple(values.get(column.name) for column in columns)
