"""Read the values of catalog entries: strict types, nothing coerced but an integer where a number is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

Read = Callable[[Any], Any]
#: Figures are multiplied and divided by one another; within these no result is infinite, and no divisor zero.
LEAST, MOST = 1e-9, 1e15


class WrongValueError(ValueError):
    """A value is not what the field takes; the text says what it is instead."""


class FieldSpec(NamedTuple):
    """How a field is read, and whether an entry must have it."""

    read: Read
    required: bool = False
    default: Any = None


class Sourced(NamedTuple):
    """A value with a source of its own inside an entry, or without one: then the entry's counts."""

    value: Any
    source: str | None
    as_of: date | None


def text(value: Any) -> str:
    """Read a line of text."""
    if not isinstance(value, str) or not value.strip():
        raise WrongValueError("takes text")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise WrongValueError("takes true or false")
    return value


def number(value: Any) -> float:
    """Read a number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise WrongValueError(f"takes a number from zero to {MOST:g}")
    return float(value)


def positive(value: Any) -> float:
    """Read a number above zero."""
    if number(value) < LEAST:
        raise WrongValueError(f"takes a number above zero, at least {LEAST:g}")
    return float(value)


def count(value: Any) -> int:
    """Read a whole number, one or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WrongValueError("takes a whole number, one or more")
    return value


def day(value: Any) -> date:
    """Read a date, written as `2026-11-22`, or already read as one."""
    if type(value) is date:
        return value
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise WrongValueError("takes a date such as `2026-11-22`") from None


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, list | tuple):
        raise WrongValueError("takes a list")
    return tuple(text(each) for each in value)


def one_of(*allowed: str) -> Read:
    """Return a reader of one of `allowed`."""

    def read(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise WrongValueError("takes one of " + ", ".join(f"`{each}`" for each in allowed))
        return value

    return read


def some_of(*allowed: str) -> Read:
    """Return a reader of a list out of `allowed`."""
    each = one_of(*allowed)

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise WrongValueError("takes a list")
        return tuple(each(item) for item in value)

    return read


def amount_range(value: Any) -> tuple[float, float]:
    """Read a number, or a list of a lower and an upper one."""
    if isinstance(value, list | tuple):
        if len(value) != 2 or number(value[0]) > number(value[1]):
            raise WrongValueError("takes a number, or [low, high]")
        return number(value[0]), number(value[1])
    return number(value), number(value)


def mapping(value: Any) -> dict[str, Any]:
    """Read a mapping of plain values."""
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value):
        raise WrongValueError("takes a mapping")
    return dict(value)


def sourced(read: Read) -> Read:
    """Return a reader of a value, or of {value, source, as_of} where the value has a source of its own."""

    def read_sourced(value: Any) -> Sourced:
        if not isinstance(value, dict):
            return Sourced(read(value), None, None)
        if set(value) != {"value", "source", "as_of"}:
            raise WrongValueError("takes a value, or a mapping of `value`, `source` and `as_of`")
        return Sourced(read(value["value"]), text(value["source"]), day(value["as_of"]))

    return read_sourced
