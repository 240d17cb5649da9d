"""Some rows of a text file at once: as columns for the checks, and as rows for those that do not pass them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from msgspec import Struct

from policy_engine.fleet.canonical import DTYPES
from policy_engine.fleet.columns import ROW

ODD = "__odd"
ROWS_IN_BATCH = 10_000
LONGEST_SHOWN = 4096
_LARGEST = 2**63
_TYPES: Mapping[str, frozenset[type]] = {
    "bool": frozenset({bool, type(None)}),
    "int": frozenset({int, type(None)}),
    "double": frozenset({float, int, type(None)}),
    "string": frozenset({str, type(None)}),
    "object": frozenset({str, type(None)}),
    "list<string>": frozenset({list, type(None)}),
}


class BadRecord(Struct, frozen=True):
    """What stands in a file and cannot be read: its line, why, and its text."""

    line: int
    why: str
    text: str


def bad_record(line: int, why: str, text: str) -> BadRecord:
    """Return it with no more of the text than is shown."""
    return BadRecord(line, why, text[:LONGEST_SHOWN])


@dataclass
class Batch:
    """Rows with their numbers; `columns` hold the values by name, with defaults for what a row leaves out.

    `row` gives what a row says by itself, `shown` what stands there, and `bad` is what stands between them and cannot
    be read.
    """

    row: Callable[[int], dict[str, Any]]
    shown: Callable[[int], Any]
    numbers: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    bad: Sequence[BadRecord] = ()


def frame_of_batch(batch: Batch, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Return the batch as typed columns; `ODD` marks rows with a value of another type, which is null there."""
    odd: set[int] = set()
    # by name: of a list of series Polars would name the one that has an empty name anew
    columns = {ROW: pl.Series(batch.numbers, dtype=pl.UInt64)}
    for name, values in batch.columns.items():
        kind = kinds.get(name, "string")
        fitting = _fitting(values, kind, odd)
        columns[name] = _lists(name, fitting) if kind == "list<string>" else pl.Series(fitting, dtype=DTYPES[kind])
    return pl.DataFrame(columns | {ODD: pl.Series([place in odd for place in range(len(batch.numbers))])})


def _lists(name: str, values: Sequence[Any]) -> pl.Series:
    """Return a column of lists; those that recur are made once, for each takes long to make."""
    known: dict[tuple[str, ...] | None, int] = {}
    places = [known.setdefault(None if each is None else tuple(each), len(known)) for each in values]
    distinct = [None if each is None else list(each) for each in known]
    return pl.Series(name, distinct, dtype=pl.List(pl.String)).gather(places)


def _fitting(values: Sequence[Any], kind: str, odd: set[int]) -> Sequence[Any]:
    """Return the values with null for each that a column of this kind cannot hold, and its place in `odd`."""
    types = set(map(type, values))
    if types <= _TYPES[kind] and not _holds_more(values, kind, types):
        return [None if value is None else float(value) for value in values] if kind == "double" else values
    found: list[Any] = []
    for place, value in enumerate(values):
        if type(value) in _TYPES[kind] and not _holds_more([value], kind, {type(value)}):
            found.append(float(value) if kind == "double" and value is not None else value)
        else:
            odd.add(place)
            found.append(None)
    return found


def _holds_more(values: Sequence[Any], kind: str, types: set[type]) -> bool:
    """Whether a value of the right type is more than the column can hold: a large number, an item that is no text."""
    if kind == "list<string>":
        return not {type(item) for value in values if value for item in value} <= {str}
    if int in types:
        return any(value is not None and not -_LARGEST <= value < _LARGEST for value in values)
    return False
