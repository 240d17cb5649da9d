"""Numbers cut where something turns: the pieces of a fact's range on which every condition is one and the same.

A piece starts at a number and ends before the start of the next. A start is a cut point itself, or the next number that
the type can hold: so `x < 100` starts a piece at 100, and `x <= 100` at what comes after it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import inf, nextafter
from typing import NamedTuple

Number = int | float
#: Compares two sides at a number: -1, 0 or 1; None where a side is unknown.
Sign = Callable[[Number], int | None]


class Piece(NamedTuple):
    """The numbers from `start` to before `end`; None where the range has no end."""

    start: Number
    end: Number | None


def after(number: Number, whole: bool) -> Number:
    """Return the next number."""
    return int(number) + 1 if whole else nextafter(float(number), inf)


def before(number: Number, whole: bool) -> Number:
    """Return the number before."""
    return int(number) - 1 if whole else nextafter(float(number), -inf)


def starts_at(op: str, cut: Number, whole: bool) -> list[Number]:
    """Return the starts of pieces that `x op cut` makes."""
    if op in ("<", ">="):
        return [cut]
    return [after(cut, whole)] if op in ("<=", ">") else [cut, after(cut, whole)]


def cut_up(starts: Sequence[Number], low: Number, high: Number) -> list[Piece]:
    """Return the pieces of the range from `low` to `high`, both in it."""
    inner = sorted({each for each in starts if low < each <= high})
    ends: list[Number | None] = [*inner, None]
    return [Piece(start, end) for start, end in zip([low, *inner], ends, strict=True)]


def place_of(pieces: Sequence[Piece], value: Number) -> int:
    """Return which piece holds `value`."""
    return place_in([each.start for each in pieces], value)


def place_in(starts: Sequence[Number], value: Number) -> int:
    """Return which piece holds `value`, by where each starts."""
    return max(0, bisect_right(starts, value) - 1)


def first(holds: Callable[[Number], bool], low: Number, high: Number, whole: bool, guess: Number) -> Number | None:
    """Return the first number at which `holds` holds; it does from there on. None where it does nowhere.

    It gallops from `guess`, which is mostly next to what is looked for.
    """
    if not whole:
        return _first_double(holds, float(low), float(high))
    below, above = int(low) - 1, int(high) + 1
    at, step = min(max(int(guess), int(low)), int(high)), 1
    if holds(at):
        above = at
        while above - step > below and holds(above - step):
            above, step = above - step, step * 2
        below = max(below, above - step)
    else:
        below = at
        while below + step < above and not holds(below + step):
            below, step = below + step, step * 2
        above = min(above, below + step)
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if holds(middle) else (middle, above)
    return above if above <= high else None


def _first_double(holds: Callable[[Number], bool], low: float, high: float) -> float | None:
    if holds(low):
        return low
    if not holds(high):
        return None
    while nextafter(low, inf) < high:
        middle = _between(low, high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _between(low: float, high: float) -> float:
    """Return a number between the two: by magnitude where they are far apart, so that it is soon found."""
    if low > 0 and high / low > 4:
        return float((low * high) ** 0.5) if high < 1e150 else high / 2
    if low == 0 and high > 1e-300:
        return high / 2 if high < 1e-6 else high / 1024
    return low + (high - low) / 2


def turns(sign: Sign, samples: Sequence[Number], whole: bool) -> list[Number]:
    """Return the starts of the pieces on which `sign` is one and the same.

    Exact where the sign goes one way between neighbouring samples, as that of sums and products of the number does.
    """
    ordered = sorted(set(samples))
    signs = [sign(each) for each in ordered]
    found: list[Number] = []
    for (low, high), (one, other) in zip(pairwise(ordered), pairwise(signs), strict=True):
        edges: list[Number | None]
        if one == other:
            continue
        if one is None or other is None:
            edge = first(partial(_is_known, sign, other is not None), low, high, whole, low)
            assert edge is not None  # noqa: S101 - it holds at `high`
            rest = [low, before(edge, whole)] if other is None else [edge, high]
            edges = [edge, *turns(sign, rest, whole)]
        elif one < other:
            edges = [
                first(lambda at: _at_least(sign(at), 0), low, high, whole, low),
                first(lambda at: _at_least(sign(at), 1), low, high, whole, low),
            ]
        else:
            edges = [
                first(lambda at: not _at_least(sign(at), 1), low, high, whole, low),
                first(lambda at: not _at_least(sign(at), 0), low, high, whole, low),
            ]
        found += [each for each in edges if each is not None]
    return found


def _is_known(sign: Sign, known: bool, at: Number) -> bool:
    return (sign(at) is not None) is known


def _at_least(sign: int | None, least: int) -> bool:
    return sign is not None and sign >= least
