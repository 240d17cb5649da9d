"""JSON Lines: an object a line, its keys the columns. A line that is none is one reject, and ends no run."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Any

import orjson

from policy_engine.errors import did_you_mean
from policy_engine.fleet.batches import ROWS_IN_BATCH, BadRecord, Batch, bad_record
from policy_engine.fleet.documents import json_value
from policy_engine.fleet.lines import LONGEST, as_text, read_lines
from policy_engine.fleet.source import OBJECTS, PROPOSED, SourceColumns
from policy_engine.loading.wording import quoted

_KEY = re.compile(rb'(?<!\\)"\s*:')
#: So many digits may be a number beyond 64 bits, which the quick reader rounds.
_LONG = b"0" * 19
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_COMPACT: Any = {"ensure_ascii": False, "separators": (",", ":")}
_QUANTIZATION = "proposal.quantization"


def read_batches(stream: IO[bytes], columns: SourceColumns, keep: Collection[str]) -> Iterator[Batch]:
    """Yield the rows in batches, with each line that is none; empty lines are no rows."""
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    lines: list[bytes] = []
    bad: list[BadRecord] = []
    for number, line in read_lines(stream):
        if line is None:
            bad.append(bad_record(number, f"the line has more than {LONGEST:,} bytes", ""))
        elif line.strip():
            try:
                rows.append(read_row(line, columns, keep))
                numbers.append(number)
                lines.append(line)
            except ValueError as error:
                bad.append(bad_record(number, str(error), line.decode("utf-8", "backslashreplace")))
        if len(rows) + len(bad) == ROWS_IN_BATCH:
            yield _batch(numbers, rows, lines, bad, columns, keep)
            numbers, rows, lines, bad = [], [], [], []
    if rows or bad:
        yield _batch(numbers, rows, lines, bad, columns, keep)


def read_row(line: bytes, columns: SourceColumns, keep: Collection[str]) -> dict[str, Any]:
    """Return what a line says by column; objects as JSON text.

    Raises:
        ValueError: it is no object, or has a key twice, or one that is no column.
    """
    as_text(line)
    try:
        found = json_value(line.decode()) if _LONG in line.translate(_AS_ZEROS) else orjson.loads(line)
    except orjson.JSONDecodeError:
        found = json_value(line.decode())  # says more of what is wrong, and where; or takes what is valid and deep
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - what is wrong with the text
    if not _each_once(line, len(found)):
        json_value(line.decode())  # says of a key that it is there twice
    if not found.keys() <= columns.kinds.keys():
        _take_others(found, columns, keep)
    for name in OBJECTS:
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            found[name] = json.dumps(value, **_COMPACT)  # what is infinite stays so, and is refused
    return found


def _take_others(found: dict[str, Any], columns: SourceColumns, keep: Collection[str]) -> None:
    """Make text of what passes through, as JSON.

    Raises:
        ValueError: a column is not to be kept, or holds a number beyond a double: what came out would be another one.
    """
    for name, value in found.items():
        if name in columns.kinds:
            continue
        if name not in keep:
            near = did_you_mean(name, [*columns.kinds]) or "pass it through with --keep"
            raise ValueError(f"unknown column {quoted(name)}; {near}")
        if value is not None and not isinstance(value, str):
            try:
                found[name] = json.dumps(value, **_COMPACT, allow_nan=False)
            except ValueError:
                raise ValueError(f"{quoted(name)} holds a number that is too large to be kept") from None


def _each_once(line: bytes, keys: int) -> bool:
    """Whether an object that was read with so many keys surely has none twice.

    Each key ends in a quote before a colon: where there are as many of these, all told, as keys, none is there twice.
    A key that ends in a backslash is not counted, and is no column.
    """
    if line.count(b'":') - line.count(b'\\":') == keys and not (b" :" in line or b"\t:" in line or b"\r:" in line):
        return True
    return line.count(b":") == keys or len(_KEY.findall(line)) == keys


def _batch(
    numbers: list[int],
    rows: list[dict[str, Any]],
    lines: list[bytes],
    bad: list[BadRecord],
    columns: SourceColumns,
    keep: Collection[str],
) -> Batch:
    values = _alike(rows) if rows else {}
    if values is None:
        # what no row of these says is left out by all of them
        said = set(keep).union(*rows)
        names = [name for name in dict.fromkeys([*columns.kinds, *keep]) if name in said]
        values = {name: _values(name, rows, columns) for name in names}
    else:
        values = values | {name: [None] * len(rows) for name in keep if name not in values}
    return Batch(partial(_row, rows), partial(_shown, lines), numbers, values, bad)


def _alike(rows: list[dict[str, Any]]) -> dict[str, list[Any]] | None:
    """Return the values by name where every row says the same columns in the same order, as a program writes them."""
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        return None
    values = zip(*(row.values() for row in rows), strict=True)
    return {name: list(each) for name, each in zip(names, values, strict=True)}


def _values(name: str, rows: list[dict[str, Any]], columns: SourceColumns) -> list[Any]:
    default = columns.default(name)
    if default is None:
        return [row.get(name) for row in rows]
    if name == _QUANTIZATION:  # only what is proposed has a precision
        return [row.get(name, default if row.get(PROPOSED) is not None else None) for row in rows]
    return [row.get(name, default) for row in rows]


def _shown(lines: Sequence[bytes], place: int) -> orjson.Fragment:
    """Return the line as it stands: its numbers may be more than Python's JSON keeps."""
    return orjson.Fragment(lines[place])


def _row(rows: Sequence[Mapping[str, Any]], place: int) -> dict[str, Any]:
    return dict(rows[place])
