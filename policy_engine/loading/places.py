"""Where a place in a condition's text stands in its file, whatever the scalar's style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from policy_engine.errors import Span
from policy_engine.loading.yaml_source import Document

_ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)")


def locate_node(document: Document, path: tuple[str, ...], text: str, at: int) -> Span:
    """Return the place in the file of the code point `at`, from 0, of an expression's text."""
    before = text[:at]
    return locate(document, path, text, before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)


def locate(document: Document, path: tuple[str, ...], text: str, line: int, column: int) -> Span:
    """Return the place in the file of (`line`, `column`) in an expression's text.

    Counts the characters that are no white space, because quoting, folding and indentation change nothing else;
    falls back to the value's own place.
    """
    start = document.span(*path)
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return start
    before = "".join(lines[: line - 1]) + lines[line - 1][: column - 1]
    wanted = len("".join(before.split()))
    try:
        source = Path(document.file).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return start
    end = start
    for count, (row, first, after) in enumerate(_characters(re.split("\r\n|\r|\n", source), start)):
        if count == wanted:
            return Span(document.file, row, first)
        end = Span(document.file, row, after)
        if count == wanted - 1 and wanted == len("".join(text.split())):
            return end  # the text ends too early
    return start


def _characters(lines: list[str], start: Span) -> Iterator[tuple[int, int, int]]:
    """Yield line, column and the column after it of each character of the scalar at `start`, white space left out."""
    first = lines[start.line - 1][start.column - 1 :]
    style = first[:1]
    if style in "|>" and style:
        for row, line in enumerate(lines[start.line :], start.line + 1):
            yield from ((row, column, column + 1) for column, char in enumerate(line, 1) if not char.isspace())
        return
    quote = style if style in ("'", '"') else ""
    for row, line in enumerate(lines[start.line - 1 :], start.line):
        at = start.column - 1 + len(quote) if row == start.line else 0
        while at < len(line):
            size = _size(line, at, quote)
            if quote and line[at] == quote and size == 1:
                return
            if not line[at].isspace() and not (quote == '"' and line[at] == "\\" and at + 1 == len(line)):
                yield row, at + 1, at + 1 + size
            at += size


def _size(line: str, at: int, quote: str) -> int:
    """Return how many characters of the source make the one at `at`."""
    if quote == "'" and line.startswith("''", at):
        return 2
    match = _ESCAPE.match(line, at) if quote == '"' else None
    return len(match[0]) if match else 1
