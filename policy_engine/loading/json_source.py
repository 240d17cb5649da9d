"""JSON text (RFC 8259) to plain values, each with its place; the same values, and the same refusals, as of YAML.

Values are read by Python's own reader. What it takes and a workload may not have (a key twice, a number that is not
kept exactly) is looked for on the way; only where there is something of it, or a place is asked for, the text is read
again, token by token, by the builder that YAML has.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import yaml

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.yaml_builder import DEEPEST, Builder, Node, Place
from policy_engine.loading.yaml_scalars import LONGEST_STRING, Refusal, check_string, resolve_plain
from policy_engine.loading.yaml_source import LINE_BREAK, Document, decode_utf8

#: The tokens of a text that is JSON, without the commas and colons.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[^\s,:\[\]{}"]+')
#: Numbers of so many characters are kept exactly; of longer ones `resolve_plain` knows.
_FEW_DIGITS = 15
_NO_CONSTANTS = frozenset({"NaN", "Infinity", "-Infinity"})
_WORDINGS = (
    ("Expecting value", "a value is missing here, or is none of JSON", "text stands in double quotes"),
    ("Expecting property name", "a key is missing here, or has no double quotes", 'write `"key": value`'),
    ("Expecting ','", "neither a comma nor the end stands here", "separate values with `,`"),
    ("Expecting ':'", "a key without `:`", 'write `"key": value`'),
    ("Unterminated string", "a quoted string is not closed", None),
    ("Invalid control character", "a raw control character in a string", "write it as an escape, such as `\\n`"),
    ("Invalid \\", "an unknown escape in a string", "double the backslash"),
    ("Extra data", "more than one value at the top level", "send several workloads as a list"),
    ("Illegal trailing comma", "a comma before the end", "leave it out"),
)


class _LookAgainError(Exception):
    """Something may be wrong with the text."""


def load_json(text: bytes, file: str) -> list[Document | InputError] | Document | InputError:
    """Return the document that `text` is, or what is wrong with it; of a list each item as one, in its own place."""
    decoded = decode_utf8(text, file)
    if isinstance(decoded, Problem):
        return InputError(decoded)
    places = _Places(decoded, file)
    try:
        value = _value(decoded)
    except (_LookAgainError, json.JSONDecodeError, RecursionError):
        if problems := places.problems():
            return InputError(problems)
        value = places.root.value
    if value is None:
        return InputError(Problem("yaml-empty", "the document is empty", Span(file, 1, 1)))
    if isinstance(value, list):
        return [Document(file, each, _Part(places, index)) for index, each in enumerate(value)]
    return Document(file, value, _Part(places, None))


def _value(text: str) -> Any:
    """Return the value of a text in which nothing is wrong.

    Raises:
        _LookAgainError, JSONDecodeError, RecursionError: something may be; `_Places.problems` knows.
    """
    value = json.loads(
        text, object_pairs_hook=_mapping, parse_int=_whole, parse_float=_broken, parse_constant=_refuse_constant
    )
    plain = text.isascii() and "\\" not in text and "\x7f" not in text and len(text) <= LONGEST_STRING
    if not plain or text.count("[") + text.count("{") > DEEPEST:
        _check(value)
    return value


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _LookAgainError("a key stands twice")
    return found


def _whole(text: str) -> Any:
    return int(text) if len(text) <= _FEW_DIGITS else _number(text)


def _broken(text: str) -> Any:
    # without an exponent so few digits are neither infinite nor nothing; -0.0 becomes 0.0, as in YAML
    plain = len(text) <= _FEW_DIGITS and "e" not in text and "E" not in text
    return float(text) + 0.0 if plain else _number(text)


def _number(text: str) -> Any:
    found = resolve_plain(text)
    if isinstance(found, Refusal):
        raise _LookAgainError(found.message)
    return found


def _refuse_constant(text: str) -> None:
    raise _LookAgainError(text)


def _check(value: Any) -> None:
    """Refuse strings that are no values, and nesting that is too deep."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, str):
            if isinstance(check_string(each), Refusal):
                raise _LookAgainError("a string")
        elif isinstance(each, (dict, list)):
            if depth >= DEEPEST:
                raise _LookAgainError("too deep")
            waiting += [(inner, depth + 1) for inner in each]
            waiting += [(inner, depth + 1) for inner in each.values()] if isinstance(each, dict) else []


class _Places:
    """Where each part of a text stands, found when it is first asked for. INVARIANT: `root` is of text that is JSON."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file

    @cached_property
    def root(self) -> Node:
        return self._builder.root

    def problems(self) -> list[Problem]:
        """Return all that is wrong with the text."""
        try:
            json.loads(self._text, parse_int=len)  # Python refuses thousands of digits; the builder says where they are
        except json.JSONDecodeError as error:
            return [self._syntax(error)]
        except RecursionError:
            pass  # the builder says that it is too deep, long before what may be wrong behind
        found = [*self._constants(), *self._builder.problems]
        return sorted(found, key=lambda each: (each.span.line, each.span.column) if each.span else (0, 0))

    @cached_property
    def _builder(self) -> Builder:
        builder = Builder(self._file)
        for event in self._events():
            builder.take(event)
            if builder.too_deep:
                break
        return builder

    def _syntax(self, error: json.JSONDecodeError) -> Problem:
        found = [each for each in _WORDINGS if error.msg.startswith(each[0])]
        message, hint = (found[0][1], found[0][2]) if found else ("the body is not JSON", None)
        return Problem("json-syntax", message, Span(self._file, *self._place(error.pos)), hint)

    def _constants(self) -> Iterator[Problem]:
        for found in _TOKEN.finditer(self._text):
            if found.group() in _NO_CONSTANTS:
                span = Span(self._file, *self._place(found.start()))
                yield Problem("json-syntax", f"`{found.group()}` is no value of JSON", span)

    def _events(self) -> Iterator[Any]:
        for found in _TOKEN.finditer(self._text):
            token, mark = found.group(), self._mark(found.start())
            match token[0]:
                case "{":
                    yield yaml.MappingStartEvent(None, None, True, mark, mark)
                case "[":
                    yield yaml.SequenceStartEvent(None, None, True, mark, mark)
                case "}":
                    yield yaml.MappingEndEvent(mark, mark)
                case "]":
                    yield yaml.SequenceEndEvent(mark, mark)
                case '"':
                    yield yaml.ScalarEvent(None, None, (False, True), json.loads(token), mark, mark)
                case _:
                    yield yaml.ScalarEvent(None, None, (True, False), token, mark, mark)

    def _mark(self, index: int) -> yaml.Mark:
        line, column = self._place(index)
        return yaml.Mark(self._file, index, line - 1, column - 1, None, 0)

    def _place(self, index: int) -> Place:
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line begins."""
        return [0, *(found.end() for found in LINE_BREAK.finditer(self._text))]


class _Part:
    """The whole of a text, or an item of the list that it is, as the node that is found when it is asked for."""

    def __init__(self, places: _Places, index: int | None) -> None:
        self._places, self._index = places, index

    @cached_property
    def _node(self) -> Node:
        root = self._places.root
        return root if self._index is None else root.children[self._index]

    @property
    def place(self) -> Place:
        return self._node.place

    @property
    def keys(self) -> dict[str | int, Place]:
        return self._node.keys

    def child(self, step: str | int) -> Node | None:
        return self._node.child(step)
