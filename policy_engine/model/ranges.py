"""A number that is known as a range: its low end, its central value, its high end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from msgspec import Struct

ENDS = ("low", "central", "high")


class Range(Struct, frozen=True):
    """Three numbers in order. Arithmetic takes of each operand the end that makes the result lowest, and highest.

    Operands count as independent of one another. Products and quotients are of ranges that are not below zero.
    """

    low: float
    central: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.central + other.central, self.high + other.high)

    def __sub__(self, other: Range) -> Range:
        return Range(self.low - other.high, self.central - other.central, self.high - other.low)

    def __mul__(self, other: Range) -> Range:
        return Range(self.low * other.low, self.central * other.central, self.high * other.high)

    def __truediv__(self, other: Range) -> Range:
        return Range(self.low / other.high, self.central / other.central, self.high / other.low)

    def times(self, number: float) -> Range:
        """Return the range multiplied by a number that is not below zero."""
        return Range(self.low * number, self.central * number, self.high * number)

    def each(self, of: Callable[[float], float]) -> Range:
        """Return a function of each of the three; it must not fall where its argument rises."""
        return Range(of(self.low), of(self.central), of(self.high))

    def document(self) -> dict[str, float]:
        return {"low": self.low, "central": self.central, "high": self.high}


ZERO = Range(0.0, 0.0, 0.0)
ONE = Range(1.0, 1.0, 1.0)


def exactly(number: float) -> Range:
    """Return the range that is one number."""
    return Range(number, number, number)


def between(low: float, high: float) -> Range:
    """Return the range between two numbers, with their middle."""
    return Range(low, (low + high) / 2, high)


def total(ranges: Iterable[Range]) -> Range:
    """Return the sum."""
    found = ZERO
    for each in ranges:
        found += each
    return found


def is_range(low: float, central: float, high: float) -> bool:
    """Tell whether three numbers are finite and in order."""
    return all(map(math.isfinite, (low, central, high))) and low <= central <= high
