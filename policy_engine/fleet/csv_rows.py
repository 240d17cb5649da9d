"""CSV, read record by record: what is malformed is one reject, and never the end of the run.

UTF-8 with or without a byte-order mark, comma-separated, fields quoted with `"`; the first line names the columns. An
empty cell is null. `true` and `false`, whole numbers and decimals are written as in JSON; a list is written `a; b`, or
as JSON, and `[]` is the empty list.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

from policy_engine.errors import InputError, Problem
from policy_engine.fleet.batches import ROWS_IN_BATCH, BadRecord, Batch, bad_record
from policy_engine.fleet.documents import json_value
from policy_engine.fleet.lines import LONGEST, as_text, read_lines

_MOST_LINES = 1000
_INT = re.compile(r"-?[0-9]{1,40}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,5})?\Z")
_BOOLS = {"true": True, "false": False}


def read_records(stream: IO[bytes]) -> Iterator[tuple[int, list[str]] | BadRecord]:
    """Yield each record with the number of its first line, or why it is none; empty lines are none either."""
    lines = read_lines(stream)
    waiting: deque[tuple[int, bytes | None]] = deque()
    while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        number, content = line
        if content is None:
            yield bad_record(number, f"the line has more than {LONGEST:,} bytes", "")
            continue
        if not content:
            continue
        if content.count(b'"') % 2:
            whole = _joined(content, waiting, lines)
            if whole is None:
                yield bad_record(number, "a quote is opened and not closed", _shown(content))
                continue
            content = whole
        yield _record(number, content)


def _joined(
    content: bytes, waiting: deque[tuple[int, bytes | None]], lines: Iterator[tuple[int, bytes | None]]
) -> bytes | None:
    """Return the record that begins with `content`, up to where its quotes close; None, and all is left, if nowhere."""
    taken: list[tuple[int, bytes | None]] = []
    parts, size, quotes = [content], len(content), content.count(b'"')
    while quotes % 2 and size <= LONGEST and len(parts) <= _MOST_LINES:
        following = waiting.popleft() if waiting else next(lines, None)
        if following is None:
            break
        taken.append(following)
        if following[1] is None:
            break
        parts.append(following[1])
        size, quotes = size + len(following[1]), quotes + following[1].count(b'"')
    if quotes % 2 == 0:
        return b"\n".join(parts)
    waiting.extendleft(reversed(taken))
    return None


def _record(number: int, content: bytes) -> tuple[int, list[str]] | BadRecord:
    try:
        text = as_text(content)
        if '"' not in text and "\r" not in text:
            return number, text.split(",")
        return number, next(csv.reader((text,), strict=True))
    except (ValueError, csv.Error, StopIteration) as error:
        why = str(error).partition(" - ")[0] or "it is no record"
        return bad_record(number, why, _shown(content))


def _shown(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def read_header(records: Iterator[tuple[int, list[str]] | BadRecord], file: str) -> list[str]:
    """Return the names of the columns.

    Raises:
        InputError: there is no first line, or it cannot be read.
    """
    first = next(records, None)
    if first is None:
        raise InputError(Problem("sweep-source", f"{file}: the file is empty", help="its first line names the columns"))
    if isinstance(first, BadRecord):
        raise InputError(Problem("sweep-source", f"{file}:{first.line}: the header cannot be read: {first.why}"))
    names = [name.strip() for name in first[1]]
    if len(names) == 1 and ";" in names[0]:
        raise InputError(Problem("sweep-source", f"{file}: cells are separated by semicolons", help="use commas"))
    return names


def read_batches(
    records: Iterator[tuple[int, list[str]] | BadRecord], header: list[str], kinds: dict[str, str]
) -> Iterator[Batch]:
    """Yield the rows in batches, with each record that is none; columns without a kind stay text."""
    cells = [Cells(kinds.get(name, "string")) for name in header]
    numbers: list[int] = []
    rows: list[list[str]] = []
    bad: list[BadRecord] = []
    for each in records:
        if isinstance(each, BadRecord):
            bad.append(each)
        elif len(each[1]) != len(header):
            why = f"it has {len(each[1]):,} cells, and the header names {len(header):,} columns"
            bad.append(bad_record(each[0], why, ",".join(each[1])))
        else:
            numbers.append(each[0])
            rows.append(each[1])
        if len(rows) + len(bad) == ROWS_IN_BATCH:
            yield _batch(numbers, rows, bad, header, cells)
            numbers, rows, bad = [], [], []
    if rows or bad:
        yield _batch(numbers, rows, bad, header, cells)


def _batch(
    numbers: list[int], rows: list[list[str]], bad: list[BadRecord], header: list[str], cells: list[Cells]
) -> Batch:
    if not rows:
        return Batch(partial(_row, {}), partial(_row, {}), bad=bad)
    values = [each.values(column) for each, column in zip(cells, zip(*rows, strict=True), strict=True)]
    columns = dict(zip(header, values, strict=True))
    return Batch(partial(_row, columns), partial(_shown_row, header, rows), numbers, columns, bad)


def _row(columns: dict[str, list[Any]], place: int) -> dict[str, Any]:
    return {name: values[place] for name, values in columns.items()}


def _shown_row(header: list[str], rows: list[list[str]], place: int) -> dict[str, str]:
    return dict(zip(header, rows[place], strict=True))


class Cells:
    """Reads the cells of one column; what recurs is read once."""

    _MOST = 100_000

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known: dict[str, Any] = {}

    def values(self, texts: tuple[str, ...]) -> list[Any]:
        """Return what the cells say; a text that is not of the column's kind stays text, for the checks to refuse."""
        if self._kind in ("string", "object"):
            return [text or None for text in texts]
        known = self._known
        if len(known) > self._MOST:
            known.clear()
        for text in set(texts).difference(known):
            known[text] = read_cell(text, self._kind)
        return [known[text] for text in texts]


def read_cell(text: str, kind: str) -> Any:
    """Return what a cell of this kind says."""
    if text == "":
        return None
    match kind:
        case "bool":
            return _BOOLS.get(text.lower(), text)
        case "int" | "double":
            if _INT.match(text):
                return int(text)
            return float(text) if _NUMBER.match(text) else text
        case "list<string>":
            return _list(text)
    return text


def _list(text: str) -> Any:
    if not text.startswith("["):
        return [item.strip() for item in text.split(";")]
    try:
        found = json_value(text)
    except ValueError:
        return text
    return found if isinstance(found, list) else text
