"""What is read of a fleet before its plan is made: the floors, residencies and regions that its rows hold.

There are few of each, however many rows; each is judged once, in Python, by the functions that judge a single workload,
and looked up for the rows that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from policy_engine.fleet.building import Plan, Truth
from policy_engine.fleet.columns import MIN_SCORES, WORD

RESIDENCY = "data.residency"
#: Between the regions of a list, and in the place of what is not known: no region or document holds them.
_BETWEEN, UNKNOWN_KEY = "\x1f", "\x1e"


def residency_key() -> pl.Expr:
    """Return the regions of a row as one string."""
    regions = pl.col(RESIDENCY)
    listed = pl.concat_str(regions.list.len().cast(pl.String), pl.lit(_BETWEEN), regions.list.join(_BETWEEN))
    return listed.fill_null(UNKNOWN_KEY)


def residency_of(key: str) -> tuple[str, ...] | None:
    """Return the regions that `key` stands for; None where they are not known."""
    if key == UNKNOWN_KEY:
        return None
    count, _, rest = key.partition(_BETWEEN)
    return () if count == "0" else tuple(rest.split(_BETWEEN))


def floors_of(key: str) -> dict[str, float | None] | None:
    """Return the floors that `key` stands for; None where they are not known."""
    if key == UNKNOWN_KEY:
        return None
    found: dict[str, float | None] = json.loads(key)
    return found


class Distinct:
    """The distinct floors and residencies of `rows`, and the pairs of a residency with each of `regions` (columns)."""

    def __init__(self, rows: pl.LazyFrame, regions: Sequence[str]) -> None:
        key = residency_key().alias("key")
        asked = [
            rows.select(pl.col(MIN_SCORES).fill_null(UNKNOWN_KEY).alias("key")).unique(),
            rows.select(key).unique(),
            *(rows.select(key, pl.col(name).fill_null(UNKNOWN_KEY).alias("region")).unique() for name in regions),
        ]
        floors, residencies, *pairs = pl.collect_all(asked, engine="streaming")
        self.floors: list[str] = sorted(floors["key"])
        self.residencies: list[str] = sorted(residencies["key"])
        self.pairs: list[tuple[str, str]] = sorted({pair for frame in pairs for pair in frame.iter_rows()})


class Table:
    """Truths that hang on one key: bits of words, which are looked up together for each row."""

    def __init__(self, prefix: str, keys: Sequence[str]) -> None:
        self.keys = keys
        self._prefix = prefix
        self._bits: dict[tuple[bool, ...], int] = {}

    def flags(self, holds: Sequence[bool]) -> Truth:
        """Return whether it holds for a row's key, given that for each of the keys; for use after `look_up`."""
        if len(set(holds)) == 1:
            return holds[0]
        bit = self._bits.setdefault(tuple(holds), len(self._bits))
        word, place = divmod(bit, WORD)
        return (pl.col(f"{self._prefix}{word}") & pl.lit(1 << place, dtype=pl.UInt64)) != 0

    def look_up(self, plan: Plan, key: pl.Expr) -> None:
        """Name the words of each row of `plan` by its `key`; one that was not there before is an error in the plan."""
        columns = list(self._bits)
        for start in range(0, len(columns), WORD):
            some = columns[start : start + WORD]
            words = [sum(1 << place for place, holds in enumerate(some) if holds[at]) for at in range(len(self.keys))]
            series = pl.Series(words, dtype=pl.UInt64)
            name = f"{self._prefix}{start // WORD}"
            plan.define(name, key.replace_strict(pl.Series(self.keys, dtype=pl.String), series, return_dtype=pl.UInt64))
