"""Files to reconcile with: an inventory of what is deployed, and the callers' counts of decisions by run.

Both are CSV as spreadsheets write it: UTF-8 with or without a mark, or UTF-16 with one; commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policy_audit.errors import CanonicalError
from policy_audit.view import instant

from policy_engine.errors import InputError, Problem, Span, did_you_mean

MOST_BYTES, MOST_ROWS, MOST_TEXT = 32_000_000, 500_000, 1_000
_MOST_PROBLEMS = 20
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_REQUIRED = ("namespace", "workload", "deployment", "model")
_OPTIONAL = ("artefact", "deployed_at")


@dataclass(frozen=True, slots=True)
class Deployed:
    """One row of the inventory: what runs. `line` is where it ends in the file, from 1."""

    line: int
    namespace: str
    workload: str
    deployment: str
    model: str
    artefact: str = ""
    deployed_at: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """All but the line: two rows with the same are one deployment, named twice."""
        return (self.namespace, self.workload, self.deployment, self.model, self.artefact, self.deployed_at)


def read_inventory(path: Path) -> list[Deployed]:
    """Return the rows of an inventory, in order.

    Raises:
        InputError: the file cannot be read, or is malformed, with each line.
    """
    problems: list[Problem] = []
    found = []
    for line, row in _rows(path, _REQUIRED, _OPTIONAL):
        lacking = [name for name in _REQUIRED if not row[name]]
        if lacking:
            problems.append(_problem(path, line, f"the row has no `{lacking[0]}`"))
        elif row["deployed_at"] and _time(row["deployed_at"]) is None:
            problems.append(_problem(path, line, f"`{row['deployed_at']}` is not a time in RFC 3339", "or a date"))
        else:
            found.append(Deployed(line, **{**row, "deployed_at": _time(row["deployed_at"]) or ""}))
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InputError(problems)
    return found


def read_counts(path: Path) -> dict[str, int]:
    """Return the decisions that callers were handed, by run.

    Raises:
        InputError: the file cannot be read, or is malformed, with each line.
    """
    problems: list[Problem] = []
    found: dict[str, int] = {}
    for line, row in _rows(path, ("run", "decisions"), ()):
        number = row["decisions"]
        if not row["run"]:
            problems.append(_problem(path, line, "the row has no `run`"))
        elif row["run"] in found:
            problems.append(_problem(path, line, f"the run `{row['run']}` is there twice"))
        elif not (number.isascii() and number.isdigit() and len(number) <= 12):
            problems.append(_problem(path, line, f"`{number}` is not a number of decisions"))
        else:
            found[row["run"]] = int(number)
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InputError(problems)
    return found


def _rows(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows with their lines: every wanted column is there, trimmed, in NFC; others are left out."""
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    columns: list[str] | None = None
    try:
        for number, cells in enumerate(reader):
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if number > MOST_ROWS:
                raise InputError(_problem(path, line, f"the file has more than {MOST_ROWS:,} rows"))
            if columns is None:
                columns = _header(path, line, cells, required, optional)
                continue
            if len(cells) != len(columns):
                message = f"the row has {len(cells)} cells, and the header {len(columns)}"
                raise InputError(_problem(path, line, message, "quote what holds a separator"))
            found = dict.fromkeys((*required, *optional), "")
            found |= {
                name: _clean(path, line, cell) for name, cell in zip(columns, cells, strict=True) if name in found
            }
            yield line, found
    except csv.Error as error:
        raise InputError(_problem(path, reader.line_num, f"the file is not CSV: {error}")) from None
    if columns is None:
        raise InputError(_problem(path, 1, "the file has no header", f"it needs the columns {', '.join(required)}"))


def _header(path: Path, line: int, cells: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    names = [" ".join(cell.split()).casefold().replace(" ", "_") for cell in cells]
    problems = []
    for name in required:
        if name not in names:
            near = did_you_mean(name, names)
            hint = f"it has {', '.join(f'`{each[:40]}`' for each in names[:20])}"
            problems.append(_problem(path, line, f"there is no column `{name}`", near or hint))
    twice = [name for name in (*required, *optional) if names.count(name) > 1]
    problems += [_problem(path, line, f"the column `{name}` is there twice") for name in twice]
    if problems:
        raise InputError(problems)
    return names


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        message = f"cannot read `{path}`: {(error.strerror or str(error)).lower()}"
        raise InputError(Problem("file-unreadable", message)) from None
    if len(data) > MOST_BYTES:
        raise InputError(Problem("file-unreadable", f"`{path}` has more than {MOST_BYTES:,} bytes"))
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        hint = "save it as CSV in UTF-8"
        raise InputError(_problem(path, line, f"the file is not text in {encoding.upper()}", hint)) from None


def _delimiter(text: str) -> str:
    """Return the separator that the header has most of; commas where there is none."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max((",", ";", "\t"), key=header.count)


def _clean(path: Path, line: int, cell: str) -> str:
    value = unicodedata.normalize("NFC", cell).strip()
    if len(value) > MOST_TEXT:
        raise InputError(_problem(path, line, f"a cell has more than {MOST_TEXT:,} characters"))
    if any(unicodedata.category(each) in ("Cc", "Cs", "Cf") for each in value):
        message = "a cell holds a character that cannot be seen"
        raise InputError(_problem(path, line, message, "such a name would look like another one"))
    return value


def _time(value: str) -> str | None:
    try:
        return instant(f"{value}T00:00:00Z" if len(value) == len("2026-01-31") else value)
    except (CanonicalError, OverflowError):
        return None


def _problem(path: Path, line: int, message: str, hint: str | None = None) -> Problem:
    return Problem("inventory", message, Span(str(path), line, 1), hint)
