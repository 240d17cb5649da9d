"""What is no row: written as JSON Lines, each with its place, all that is wrong with it, and what stood there."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import polars as pl

from policy_engine.errors import Problem

_LONGEST = 4096


class Rejects:
    """Counts and writes what is refused, as it comes; in the order of the source once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.first = path, 0, ""
        self._stream: IO[bytes] = path.open("wb")
        self._first = 0
        self._numbers, self._ends = array("Q"), array("Q", [0])

    def add(self, place: Mapping[str, Any], problems: Sequence[Problem], row: Any, number: int = 0) -> None:
        """Write one; `row` is what stood there: by column, as JSON, or the text that could not be read.

        `number` is its place among the others: the row, or the line.
        """
        reasons = [{"code": each.code, "message": each.message, "help": each.help, **_span(each)} for each in problems]
        shown = row[:_LONGEST] if isinstance(row, str) else row
        line = _line({"place": place, "reasons": reasons, "given": shown})
        self._stream.write(line)
        if not self.count or number < self._first:
            self._first = number
            where = ":".join(str(value) for value in place.values())
            self.first = f"{where}: {problems[0].message}"
        self.count += 1
        self._numbers.append(number)
        self._ends.append(self._ends[-1] + len(line))

    def close(self) -> None:
        """Write no more; what came later and stands before others is put in its place."""
        if self._stream.closed:
            return
        self._stream.close()
        numbers = pl.Series(self._numbers, dtype=pl.UInt64)
        if numbers.is_sorted():
            return
        ordered = self.path.with_name(f"{self.path.name}.ordered")
        with self.path.open("rb") as source, ordered.open("wb") as target:
            for place in numbers.arg_sort().to_list():
                source.seek(self._ends[place])
                target.write(source.read(self._ends[place + 1] - self._ends[place]))
        ordered.replace(self.path)


def refusal(message: str, hint: str | None = None) -> list[Problem]:
    """Return the one thing that is wrong with a row."""
    return [Problem("sweep-row", message, None, hint)]


def texts(problems: Iterable[Problem]) -> str:
    """Return what is wrong on one line."""
    return "; ".join(each.message for each in problems)


def _span(problem: Problem) -> dict[str, Any]:
    return {"line": problem.span.line, "column": problem.span.column} if problem.span else {}


def _faithful(given: Any) -> Any:
    """Return what stood there as JSON can say it: a number that is none by its name."""
    if isinstance(given, float) and not math.isfinite(given):
        return "NaN" if math.isnan(given) else "Infinity" if given > 0 else "-Infinity"
    if isinstance(given, dict):
        return {name: _faithful(value) for name, value in given.items()}
    return [_faithful(each) for each in given] if isinstance(given, list) else given


def _line(value: dict[str, Any]) -> bytes:
    import json

    value["given"] = _faithful(value["given"])
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except (TypeError, orjson.JSONEncodeError):  # numbers beyond 64 bits
        return json.dumps(value, default=str).encode() + b"\n"
