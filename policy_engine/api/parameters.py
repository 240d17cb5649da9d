"""Query parameters: what a route takes, read and described from one list; what it does not take is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from starlette.requests import Request

from policy_engine.api.openapi import parameters, query
from policy_engine.asking.moments import AS_OF, SINCE, UNTIL, moment
from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.wording import printable

_MOST_TEXT = 300
_MOST_VALUES = 100
_MOST_NAMES = 12
#: What no name, id or value on record has; a database takes no NUL.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TEXT = {"type": "string", "maxLength": _MOST_TEXT, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"}
_FLAGS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_SEEN = 60


class Parameter(Struct, frozen=True):
    """A query parameter: its value is what `convert` makes of its text, or None (False, ()) where it is not given.

    `convert` raises ValueError with what is wrong. `many`: it may be given several times, and all of them count.
    """

    name: str
    schema: dict[str, Any]
    description: str
    convert: Callable[[str], Any]
    default: Any = None
    many: bool = False


def text(name: str, description: str, *, many: bool = False, empty: bool = False) -> Parameter:
    """Return a parameter that is a name or another text; `empty` has a meaning of its own, or is refused."""

    def convert(value: str) -> str:
        if len(value) > _MOST_TEXT or _CONTROL.search(value) or not (value or empty):
            raise ValueError(f"is empty, has control characters, or has more than {_MOST_TEXT} characters")
        return value

    return _many(Parameter(name, _TEXT if empty else {**_TEXT, "minLength": 1}, description, convert), many)


def choice(name: str, values: Sequence[str], description: str, *, many: bool = False) -> Parameter:
    """Return a parameter that is one of `values`."""

    def convert(value: str) -> str:
        if value not in values:
            near = did_you_mean(value, values)
            raise ValueError(f"is none of {', '.join(values)}{f'; {near}' if near else ''}")
        return value

    return _many(Parameter(name, {"type": "string", "enum": list(values)}, description, convert), many)


def flag(name: str, description: str) -> Parameter:
    """Return a parameter that is true or false; given without a value it is true."""

    def convert(value: str) -> bool:
        if value.lower() not in _FLAGS:
            raise ValueError("is neither true nor false")
        return _FLAGS[value.lower()]

    return Parameter(name, {"type": "boolean", "default": False}, description, convert, default=False)


def number(name: str, low: int, high: int, description: str, *, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number from `low` to `high`."""

    def convert(value: str) -> int:
        if not re.fullmatch(r"\d{1,15}", value, re.ASCII) or not low <= int(value) <= high:
            raise ValueError(f"is no whole number from {low:,} to {high:,}")
        return int(value)

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Parameter(name, schema if default is None else {**schema, "default": default}, description, convert, default)


def since(name: str, description: str) -> Parameter:
    """Return a parameter that is the beginning of a period: a time, or a date, which is its first instant."""
    return _moment(name, description, SINCE)


def until(name: str, description: str) -> Parameter:
    """Return a parameter that is the end of a period: a time that it leaves out, or a date that it includes."""
    return _moment(name, description, UNTIL)


def as_of(name: str, description: str) -> Parameter:
    """Return a parameter that is the moment a question is about: a time, or a date, which is its last instant."""
    return _moment(name, description, AS_OF)


def documented(known: Sequence[Parameter]) -> dict[str, Any]:
    """Return what `/openapi.json` says of these parameters."""
    return parameters(
        *(
            query(each.name, {"type": "array", "items": each.schema} if each.many else each.schema, each.description)
            for each in known
        )
    )


def read(request: Request, known: Sequence[Parameter]) -> dict[str, Any]:
    """Return the request's parameters by their names.

    Raises:
        UsageError: one is unknown, wrong, or given twice.
    """
    if not known and not request.scope["query_string"]:
        return {}
    return read_items(request.query_params.multi_items(), known)


def read_items(items: Sequence[tuple[str, str]], known: Sequence[Parameter]) -> dict[str, Any]:
    """Return parameters that were given otherwise, as `read` does."""
    names = [each.name for each in known]
    problems = [unknown(name, names) for name in dict(items) if name not in names][:_MOST_NAMES]
    found, wrong = converted(items, known)
    about = {each.name: each.description for each in known}
    problems += [
        Problem("parameter", f"the parameter `{name}` {what}", help=about[name]) for name, what in wrong.items()
    ]
    if problems:
        raise UsageError(problems)
    return found


def converted(items: Iterable[tuple[str, str]], known: Sequence[Parameter]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of parameters by their names, and of those that are wrong what is wrong with them."""
    given: dict[str, list[str]] = {}
    for name, value in items:
        given.setdefault(name, []).append(value)
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for each in known:
        try:
            found[each.name] = _value(each, given.get(each.name, []))
        except ValueError as error:
            wrong[each.name] = str(error)
    return found, wrong


def _value(parameter: Parameter, values: Sequence[str]) -> Any:
    if not parameter.many and len(values) > 1:
        raise ValueError("is given more than once")
    if len(values) > _MOST_VALUES:
        raise ValueError(f"is given more than {_MOST_VALUES} times")
    found = [parameter.convert(value) for value in values]
    if parameter.many:
        return tuple(dict.fromkeys(found))
    return found[0] if found else parameter.default


def unknown(name: str, names: Sequence[str]) -> Problem:
    """Return what is wrong with a parameter that is none of `names`."""
    hint = did_you_mean(name.replace("-", "_"), names)
    if hint is None:
        hint = f"this path takes {', '.join(names)}" if names else "this path takes none"
    return Problem("unknown-parameter", f"there is no parameter `{printable(name[:_SEEN])}` here", help=hint)


def _many(parameter: Parameter, many: bool) -> Parameter:
    from msgspec.structs import replace

    return replace(parameter, many=True, default=()) if many else parameter


def _moment(name: str, description: str, after: timedelta) -> Parameter:
    def convert(value: str) -> datetime:
        try:
            return moment(value, after)
        except ValueError:
            raise ValueError("is neither a time such as 2026-11-22T09:00:00Z nor a date such as 2026-11-22") from None

    schema = {"type": "string", "examples": ["2026-11-22T09:00:00Z", "2026-11-22"], "maxLength": 40}
    return Parameter(name, schema, description, convert)
