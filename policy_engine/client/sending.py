"""A list of workloads as the body of a request, and where in their own files the places are that a server names.

The body is JSON with each value on a line of its own, so that a line is a path in a document. The server reads it as it
reads the file, and what it says of a line is said of the field of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.errors import Problem
from policy_engine.loading.yaml_source import Document

Path = tuple[str | int, ...]
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Body(Struct, frozen=True):
    """The bytes of a request, and for each of its lines the number of the document and the path in it."""

    content: bytes
    places: tuple[tuple[int, Path] | None, ...]

    def placed(self, problem: Problem, documents: Sequence[Document]) -> tuple[int | None, Problem]:
        """Return which document a problem of the server is on, and the problem with its place in the file."""
        line = problem.span.line if problem.span is not None else 0
        found = self.places[line - 1] if 0 < line <= len(self.places) else None
        if found is None:
            return None, Problem(problem.code, problem.message, None, problem.help)
        number, path = found
        return number, Problem(problem.code, problem.message, documents[number].key_span(*path), problem.help)


def body_of(documents: Sequence[Document]) -> Body:
    """Return the body that sends `documents`, in their order.

    Raises:
        ValueError: a value is none of JSON's.
    """
    lines: list[str] = ["["]
    places: list[tuple[int, Path] | None] = [None]
    for number, document in enumerate(documents):
        for text, path in _lines(document.value, ()):
            lines.append(text)
            places.append((number, path))
        if number + 1 < len(documents):
            lines[-1] += ","
    lines.append("]")
    places.append(None)
    return Body("\n".join(lines).encode(), tuple(places))


def _scalar(value: Any) -> str:
    """Return a value of JSON that has no parts, so that a reader of YAML takes it for the same.

    That reader takes no halves of characters as escapes, and of some characters nothing but their escapes.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return text if text.isascii() else _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _lines(value: Any, path: Path, before: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the lines of a value with their paths. Its depth is bounded by the reader of YAML."""
    if isinstance(value, dict) and value:
        items = [(key, each, f"{_scalar(key)}: ") for key, each in value.items()]
    elif isinstance(value, list) and value:
        items = [(index, each, "") for index, each in enumerate(value)]
    else:
        yield before + _scalar(value), path
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield before + opening, path
    for number, (step, each, name) in enumerate(items):
        found = list(_lines(each, (*path, step), name))
        if number + 1 < len(items):
            found[-1] = (found[-1][0] + ",", found[-1][1])
        yield from found
    yield closing, path
