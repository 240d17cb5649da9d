"""Build one lazy plan step by step: what is named in one step is a column in the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import and_, or_

import polars as pl

from policy_engine.fleet.columns import WORD

#: What is true, or false, in every row is a plain boolean, and costs nothing.
Truth = pl.Expr | bool


def either(parts: Iterable[Truth]) -> Truth:
    """Return whether one of `parts` holds; false of none. Nothing here is ever null."""
    found = list(parts)
    open_parts = [part for part in found if not isinstance(part, bool)]
    if any(part is True for part in found):
        return True
    return reduce(or_, open_parts) if open_parts else False


def both(*parts: Truth) -> Truth:
    """Return whether all of `parts` hold."""
    open_parts = [part for part in parts if not isinstance(part, bool)]
    if any(part is False for part in parts):
        return False
    return reduce(and_, open_parts) if open_parts else True


def negated(part: Truth) -> Truth:
    """Return whether `part` does not hold."""
    return not part if isinstance(part, bool) else ~part


def column(part: Truth) -> pl.Expr:
    """Return `part` as an expression."""
    return pl.lit(part) if isinstance(part, bool) else part


class Plan:
    """A lazy frame, and the expressions that its next step adds.

    Columns of the plan's own are called `~` and a number, which no fact is called. What a later step reads no more is
    dropped, so that a batch of rows stays small.
    """

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame
        self._steps: list[list[pl.Expr]] = []
        self._pending: list[pl.Expr] = []
        self._made = 0

    def let(self, expression: pl.Expr) -> pl.Expr:
        """Work `expression` out once, and return its column, for use after the next `step`."""
        self._made += 1
        name = f"~{self._made}"
        self._pending.append(expression.alias(name))
        return pl.col(name)

    def hold(self, part: Truth) -> Truth:
        """Work a truth out once, unless it is the same in every row."""
        return part if isinstance(part, bool) else self.let(part)

    def step(self) -> None:
        """Make columns of what was named since the last step."""
        if self._pending:
            self._steps.append(self._pending)
            self._pending = []

    def define(self, name: str, expression: pl.Expr) -> None:
        """Work `expression` out as the column `name`, for use after the next `step`."""
        self._pending.append(expression.alias(name))

    def finished(self, found: Mapping[str, pl.Expr], passed: Sequence[str]) -> pl.LazyFrame:
        """Return the frame of `found` and of the columns `passed`, after all steps."""
        last = [*map(pl.col, passed), *(expression.alias(name) for name, expression in found.items())]
        wanted = _read(last)
        kept: list[tuple[list[pl.Expr], set[str]]] = []
        for step in reversed(self._steps):
            needed = [each for each in step if each.meta.output_name() in wanted]
            others = wanted - {each.meta.output_name() for each in needed}
            kept.append((needed, others))
            wanted = others | _read(needed)
        frame = self._frame.select(sorted(wanted))
        for step, others in reversed(kept):
            frame = frame.select([*sorted(others), *step])
        return frame.select(last)


def _read(expressions: Iterable[pl.Expr]) -> set[str]:
    return {name for each in expressions for name in each.meta.root_names()}


def words(bits: Sequence[Truth]) -> list[pl.Expr]:
    """Return booleans as mask words of 64 bits, the lowest first."""
    return [_word(bits[start : start + WORD]) for start in range(0, len(bits), WORD)]


def _word(bits: Sequence[Truth]) -> pl.Expr:
    # eight booleans to a byte, then eight bytes to a word: arithmetic on bytes is the cheapest
    parts = []
    for start in range(0, len(bits), 8):
        byte = [
            bit.cast(pl.UInt8) * pl.lit(1 << place, dtype=pl.UInt8)
            for place, bit in enumerate(bits[start : start + 8])
            if not isinstance(bit, bool)
        ]
        fixed = sum(1 << place for place, bit in enumerate(bits[start : start + 8]) if bit is True)
        if fixed or not byte:
            byte.append(pl.lit(fixed, dtype=pl.UInt8))
        parts.append(reduce(or_, byte).cast(pl.UInt64) * pl.lit(1 << start, dtype=pl.UInt64))
    return reduce(or_, parts)


def first_of(cases: Sequence[tuple[Truth, pl.Expr]], otherwise: pl.Expr) -> pl.Expr:
    """Return the value of the first of `cases` (condition, value) that holds."""
    found = otherwise
    for condition, value in reversed(cases):
        found = pl.when(column(condition)).then(value).otherwise(found)
    return found
