"""A change that is tried, and the changes of one fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from policy_engine.counterfactuals.pieces import Piece, place_of

#: Another value, a member of a list more or less, a value as a whole, a number in a range, a grade of evidence.
Op = Literal["in", "add", "remove", "is", "range", "grade"]


class Choice(Struct, frozen=True):
    """One change that is tried: what it is called, and the facts that it sets.

    Choices of one domain with the same `key`, which is not None, come to the same.
    """

    op: Op
    value: Any
    changes: Mapping[str, Any]
    key: Any = None


class Domain(Struct, frozen=True):
    """The changes of one fact. `now` is the place of the piece that holds its value; `whole` of integers."""

    fact: str
    choices: tuple[Choice, ...]
    now: int | None = None
    whole: bool = True


def one_of(name: str, value: Any) -> Choice:
    """Return the change of a fact to another value."""
    return Choice("in", value, {name: value})


def numeric(
    name: str,
    pieces: Sequence[Piece],
    now: Any,
    whole: bool,
    changes: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Domain:
    """Return the domain of a number; the piece that holds its value is no change."""
    at = place_of(pieces, now) if now is not None else None
    put = changes or (lambda value: {name: value})
    number = int if whole else float
    return Domain(name, tuple([Choice("range", piece, put(number(piece.start))) for piece in pieces]), at, whole)
