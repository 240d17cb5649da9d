"""Extraction and question answering: exact match, the words in common, valid JSON.

What is expected as JSON (a value that is no text, or a text that holds an object or a list) is matched as JSON: the
order of keys and white space do not count, and 1 is 1.0. Other answers to a question are compared as SQuAD does: lower
case, without ASCII punctuation and the articles a, an and the; `expected` may then be a list of right ones. What is
extracted counts letter for letter but for white space, for there 1.5 is not 15; nor is it among the words in common.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import normalize

from msgspec import Struct

from policy_engine.parity.lines import LineError, read_json

QUESTIONS = "internal_qa"
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
# what SQuAD would drop of a number, each with what stands for it
_IN_NUMBERS = ((re.compile(r"(?<=\d)\.(?=\d)"), "\u00b7"), (re.compile(r"(?<!\w)-(?=\d)"), "\u2212"))
_NOTHING = object()


class Right(Struct, frozen=True):
    """What is right: texts of which any is, or one value of JSON."""

    texts: tuple[str, ...]
    value: Any = _NOTHING

    @property
    def is_json(self) -> bool:
        return self.value is not _NOTHING


def right(expected: Any, kind: str | None) -> Right:
    """Return what an example expects.

    Raises:
        LineError: it is no right answer to a question.
    """
    if isinstance(expected, list) and kind == QUESTIONS:
        if not expected or not all(isinstance(each, str) for each in expected):
            raise LineError("its `expected` is no list of right answers: each is a text")
        return Right(tuple(expected))
    if not isinstance(expected, str):
        return Right((), expected)
    value = parsed(expected)
    return Right((expected,), value) if isinstance(value, dict | list) else Right((expected,))


def parsed(text: str) -> Any:
    """Return the value that a whole text is in JSON; a mark of its own where it is none."""
    try:
        return read_json(text)
    except LineError:
        return _NOTHING


def is_nothing(value: Any) -> bool:
    """Whether `parsed` found no JSON."""
    return value is _NOTHING


def compare(wanted: Right, answer: str, kind: str | None, schema: Callable[[Any], bool] | None) -> dict[str, float]:
    """Return what the answer is worth, 0 to 1 by metric; `schema_valid` where there is a schema."""
    value = parsed(answer)
    if wanted.is_json:
        exact = not is_nothing(value) and same(wanted.value, value)
        given = numbers(answer) if is_nothing(value) else _words(value)
        overlap = in_common(_words(wanted.value), given)
    else:
        plain, split = (squad, _squads) if kind == QUESTIONS else (literal, numbers)
        exact = any(plain(each) == plain(answer) for each in wanted.texts)
        overlap = max(in_common(split(each), split(answer)) for each in wanted.texts)
    found = {"exact_match": float(exact), "token_f1": overlap, "json_valid": float(not is_nothing(value))}
    if schema is not None:
        found["schema_valid"] = float(not is_nothing(value) and schema(value))
    return found


def squad(text: str) -> str:
    """Return a text as SQuAD compares it (Rajpurkar et al., 2016)."""
    return " ".join(_ARTICLES.sub(" ", normalize("NFC", text.lower()).translate(_PUNCTUATION)).split())


def literal(text: str) -> str:
    """Return a text in normal form C, its white space as single spaces."""
    return " ".join(normalize("NFC", text).split())


def numbers(text: str) -> list[str]:
    """Return the words of a text as SQuAD has them, but that a number keeps its point and its sign."""
    for pattern, instead in _IN_NUMBERS:
        text = pattern.sub(instead, text)
    return _squads(text)


def _squads(text: str) -> list[str]:
    return squad(text).split()


def f1(expected: str, answer: str) -> float:
    """Return SQuAD's F1 of the words in common."""
    return in_common(_squads(expected), _squads(answer))


def in_common(wanted: Sequence[str], given: Sequence[str]) -> float:
    """Return the F1 of the words in common; where one side has none, 1 if both have none."""
    if not wanted or not given:
        return float(not wanted and not given)
    common = sum((Counter(wanted) & Counter(given)).values())
    return 2 * common / (len(wanted) + len(given))


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same: numbers by value, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return literal(one) == literal(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return one is None and other is None


def _words(value: Any) -> list[str]:
    """Return the words of a value: of its keys and leaves in order; 1 and 1.0 are one word."""
    if isinstance(value, dict):
        return [word for key, each in sorted(value.items()) for word in (*numbers(key), *_words(each))]
    if isinstance(value, list):
        return [word for each in value for word in _words(each)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return numbers(str(value))


def uses_json(wanted: Sequence[Right]) -> bool:
    """Whether the examples expect JSON, so that it is a fault of an answer to be none."""
    return any(each.is_json for each in wanted)
