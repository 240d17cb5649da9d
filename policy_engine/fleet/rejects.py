"""What is no row: written as JSON Lines, each with its place, all that is wrong with it, and what stood there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from policy_engine.errors import Problem

_LONGEST = 4096


class Rejects:
    """Counts and writes what is refused, as it comes; `rows` counts the rows of it (a file may hold none or many)."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.first = path, 0, ""
        self._stream: IO[bytes] = path.open("wb")

    def add(self, place: Mapping[str, Any], problems: Sequence[Problem], row: Any) -> None:
        """Write one; `row` is what stood there: by column, or the text that could not be read."""
        reasons = [{"code": each.code, "message": each.message, "help": each.help, **_span(each)} for each in problems]
        shown = row[:_LONGEST] if isinstance(row, str) else row
        self._stream.write(_line({"place": place, "reasons": reasons, "given": shown}))
        self.count += 1
        if not self.first:
            where = ":".join(str(value) for value in place.values())
            self.first = f"{where}: {problems[0].message}"

    def close(self) -> None:
        self._stream.close()


def refusal(message: str, hint: str | None = None) -> list[Problem]:
    """Return the one thing that is wrong with a row."""
    return [Problem("sweep-row", message, None, hint)]


def texts(problems: Iterable[Problem]) -> str:
    """Return what is wrong on one line."""
    return "; ".join(each.message for each in problems)


def _span(problem: Problem) -> dict[str, Any]:
    return {"line": problem.span.line, "column": problem.span.column} if problem.span else {}


def _line(value: Any) -> bytes:
    import json

    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except (TypeError, orjson.JSONEncodeError):  # numbers beyond 64 bits
        return json.dumps(value, default=str).encode() + b"\n"
