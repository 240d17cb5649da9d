"""CSV (RFC 4180): UTF-8, lines end with CRLF, the first one names the columns. For people and spreadsheets.

What a spreadsheet would take for the start of a formula (`= + - @`) has an apostrophe before it: at the start of a
cell, and after a line break or a semicolon, where editions that split at semicolons begin a cell. An apostrophe in that
place has another one before it, so that `plain_text` can take them off. Control characters, and those that turn or hide
text, are written as escapes (`\\x07`, `\\u202e`). Numbers are numbers. The items of a list are joined by `; `, and a
semicolon or a backslash in one has a backslash before it. Exact values are in JSON Lines and Parquet.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import IO

from policy_engine.exports.table import Cell, Column, Head, Row, text_of
from policy_engine.wording import printable

# the full-width forms too: East Asian editions of spreadsheets read them as the ASCII ones
_START = "=+\\-@＝＋－＠'"
_DANGEROUS = re.compile(rf"(^|[;\n])(\s*)(?=[{_START}])")
_MADE_SAFE = re.compile(rf"(^|[;\n])(\s*)'(?=[{_START}])")
_NUMBERS = ("count", "entry")


def cell_text(cell: Cell, kind: str) -> str:
    """Return what stands in the file for a cell of a column of this kind."""
    if kind in _NUMBERS and type(cell) is int:
        return str(cell)
    if isinstance(cell, tuple):
        text = "; ".join(item.replace("\\", "\\\\").replace(";", "\\;") for item in cell)
    else:
        text = text_of(cell)
    return safe_text(text)


def safe_text(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, and that reads as what it is."""
    return _DANGEROUS.sub(r"\1\2'", printable(text))


def plain_text(text: str) -> str:
    """Return what `safe_text` was given, but for the escapes of what is not printable."""
    return _MADE_SAFE.sub(r"\1\2", text)


class CsvWriter:
    """Writes each row as it comes."""

    def __init__(self, stream: IO[bytes], head: Head) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
        self._kinds = [column.kind for column in head.columns]
        self._rows = csv.writer(self._text, lineterminator="\r\n")
        self._rows.writerow(column.name for column in head.columns)

    def write(self, row: Row) -> None:
        self._rows.writerow([cell_text(cell, kind) for cell, kind in zip(row, self._kinds, strict=True)])

    def close(self, beside: Mapping[str, str]) -> None:
        self._text.flush()
        self._text.detach()


open_writer = CsvWriter


def read_rows(stream: IO[bytes], columns: tuple[Column, ...], longest: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a file that this module wrote, as their texts.

    Raises:
        ValueError: it is not UTF-8, a cell is too long, or it has not these columns.
    """
    names, before = [column.name for column in columns], csv.field_size_limit(longest)
    try:
        rows = csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""), strict=True)
        if next(rows, None) != names:
            raise ValueError("the first line does not name the columns of the manifest")
        yield from map(tuple, rows)
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from None
    finally:
        csv.field_size_limit(before)
