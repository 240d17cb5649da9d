"""What is read of a fleet before its plan is made: the floors, residencies and regions that its rows hold.

There are few of each, however many rows; each is judged once, in Python, by the functions that judge a single workload,
and looked up for the rows that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from policy_engine.fleet.building import Plan, Truth, either
from policy_engine.fleet.columns import MIN_SCORES, WORD

RESIDENCY = "data.residency"
RESIDENCY_KEY = "~residency.key"
#: Between the regions of a list, and in the place of what is not known: no region or document holds them.
_BETWEEN, UNKNOWN_KEY = "\x1f", "\x1e"
#: With more keys than this a truth is looked up in a set of them.
_MOST_BITS = 256


def residency_key() -> pl.Expr:
    """Return the regions of a row as one string; no region is an empty one."""
    return pl.col(RESIDENCY).list.join(_BETWEEN).fill_null(UNKNOWN_KEY)


def kept_residency_key(plan: Plan) -> None:
    """Name the key of a row's residency; it is read more than once."""
    plan.define(RESIDENCY_KEY, residency_key())


def residency_of(key: str) -> tuple[str, ...] | None:
    """Return the regions that `key` stands for; None where they are not known."""
    if key == UNKNOWN_KEY:
        return None
    return tuple(key.split(_BETWEEN)) if key else ()


def floors_of(key: str) -> dict[str, float | None] | None:
    """Return the floors that `key` stands for; None where they are not known."""
    if key == UNKNOWN_KEY:
        return None
    found: dict[str, float | None] = json.loads(key)
    return found


class Distinct:
    """The distinct floors and residencies of `rows`, and the pairs of a residency with each of `regions` (columns)."""

    def __init__(self, rows: pl.LazyFrame, regions: Sequence[str]) -> None:
        places = [pl.col(name).fill_null(UNKNOWN_KEY) for name in regions]
        asked = [
            rows.select(pl.col(MIN_SCORES).fill_null(UNKNOWN_KEY)).unique(),
            rows.select(residency_key().alias("key"), *places).unique(),
        ]
        floors, placed = pl.collect_all(asked, engine="streaming")
        self.floors: list[str] = sorted(floors[MIN_SCORES])
        self.residencies: list[str] = sorted(placed["key"].unique())
        pairs = [placed.select("key", name).unique() for name in regions]
        self.pairs: list[tuple[str, str]] = sorted({pair for frame in pairs for pair in frame.iter_rows()})


class Table:
    """Truths that hang on one key. A row's key is one bit of some words, and a truth the bits of the keys it holds for.

    Only what Polars streams: a join, or a replacement of values, would hold all rows in memory.
    """

    def __init__(self, prefix: str, keys: Sequence[str]) -> None:
        self.keys = keys
        self._in_sets = len(keys) > _MOST_BITS
        self._code, self._prefix = f"{prefix}.code", prefix

    @property
    def code(self) -> pl.Expr:
        """The place of a row's key among the keys, for use after the step of `look_up`."""
        return pl.col(self._code)

    def flags(self, holds: Sequence[bool]) -> Truth:
        """Return whether it holds for a row's key, given that for each of the keys; for use after `settle`."""
        if len(set(holds)) == 1:
            return holds[0]
        places = [place for place, holding in enumerate(holds) if holding]
        if self._in_sets:
            return pl.col(self._code).is_in(places)
        found: list[Truth] = []
        for number in range(-(-len(self.keys) // WORD)):
            bits = sum(1 << (place - number * WORD) for place in places if place // WORD == number)
            if bits:
                found.append((pl.col(f"{self._prefix}.{number}") & pl.lit(bits, dtype=pl.UInt64)) != 0)
        return either(found)

    def look_up(self, plan: Plan, key: pl.Expr) -> None:
        """Name the place of each row's `key`; one that was not there before is an error when the plan runs."""
        code = key.cast(pl.Enum(self.keys), strict=True).to_physical().cast(pl.UInt32)
        plan.define(self._code, code)

    def settle(self, plan: Plan) -> None:
        """Name the bit of each row's key; after the step that named its place."""
        if self._in_sets:
            return
        code = pl.col(self._code)
        for number in range(-(-len(self.keys) // WORD)):
            first = number * WORD
            here = (code >= first) & (code < first + WORD)
            bit = pl.lit(2, dtype=pl.UInt64).pow(pl.when(here).then(code - first).otherwise(0))
            plan.define(f"{self._prefix}.{number}", pl.when(here).then(bit).otherwise(pl.lit(0, dtype=pl.UInt64)))
