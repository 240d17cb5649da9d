"""A report as plain data: one table, the query that made it, and the checkpoint that its count is bound to.

Whatever writes a report (the command line, or an export to a file) takes this and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

#: A cell holds what its column's kind says, or None where there is nothing to say.
Cell = str | int | bool | None | tuple[str, ...]
Row = tuple[Cell, ...]

KINDS = ("text", "time", "digest", "count", "entry", "flag", "list")


@dataclass(frozen=True)
class Column:
    """A column: `name` is its stable key in every format, `kind` one of `KINDS`.

    `text`, `time` (RFC 3339, UTC, microseconds) and `digest` (`sha256:...`, or an id of 64 hexadecimal digits) hold
    text; `count` and `entry` (the index of an entry, which a proof can be given of) whole numbers; `flag` true or
    false; `list` a tuple of texts.
    """

    name: str
    kind: str = "text"
    personal: bool = field(default=False, compare=False)
    """Whether its cells hold who somebody is, which an export has only where that is asked for."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a column is of no kind `{self.kind}`")

    @property
    def heading(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Query:
    """What was asked: in words, and as the command line that asks it again."""

    words: str
    command: str


@dataclass(frozen=True)
class Period:
    """Recorded at `since` or later and before `until`; None is without a limit. RFC 3339, UTC, microseconds."""

    since: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class Bound:
    """The signed checkpoint that covers every entry that was read, and no later one."""

    note: str
    origin: str
    size: int
    root: str
    """Hexadecimal."""


@dataclass(frozen=True)
class Report:
    """The answer to one of the officer's questions, read in one snapshot of the ledger.

    `population` counts what the query selects, which is `len(rows)` unless the report says otherwise in `counted`.
    `remarks` say what the report does not prove, and what could not be read. Everything but `generated_at` is the same
    for the same snapshot.
    """

    name: str
    title: str
    query: Query
    period: Period
    population: int
    counted: str
    """What is counted, in words: `decisions`, `entries of the type export`, ..."""
    checkpoint: Bound
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    generated_at: str
    summary: tuple[tuple[str, Cell], ...] = ()
    remarks: tuple[str, ...] = ()
    as_of: str | None = None
    """The instant whose ledger was read, where one was asked for; RFC 3339, UTC, microseconds, as is `at`."""
    at: str | None = None
    """The instant that the question is about, where one was given."""
    ok: bool = True
    """False where something that the report verified did not verify."""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has not as many cells as there are columns")

    def records(self) -> Iterator[dict[str, Cell]]:
        """Yield each row by the names of the columns."""
        names = [column.name for column in self.columns]
        for row in self.rows:
            yield dict(zip(names, row, strict=True))

    def without_persons(self) -> Report:
        """Return the report without the columns that hold who somebody is."""
        kept = [place for place, column in enumerate(self.columns) if not column.personal]
        columns = tuple(self.columns[at] for at in kept)
        return replace(self, columns=columns, rows=tuple(tuple(row[at] for at in kept) for row in self.rows))

    def entries(self) -> tuple[int, ...]:
        """Return the indexes of the entries that the rows name, each once, in order: what proofs are given of."""
        places = [place for place, column in enumerate(self.columns) if column.kind == "entry"]
        cells = (row[at] for row in self.rows for at in places)
        return tuple(sorted({cell for cell in cells if isinstance(cell, int)}))
