"""What is read of a fleet before its plan is made: the floors, residencies and regions that its rows hold.

There are few of each, however many rows; each is judged once, in Python, by the functions that judge a single workload,
and joined to the rows that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

import polars as pl

from policy_engine.fleet.building import Truth
from policy_engine.fleet.columns import MIN_SCORES

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
    """Columns that hang on one key. Those that are equal stand once, and those that never change stand nowhere."""

    def __init__(self, prefix: str, keys: Sequence[Any]) -> None:
        self.keys = keys
        self._prefix = prefix
        self._columns: dict[Hashable, tuple[str, pl.Series]] = {}

    def column(self, values: Sequence[Any], dtype: Any) -> pl.Expr:
        """Return the expression that gives the value of a row's key."""
        if len(set(values)) <= 1:
            return pl.lit(values[0] if values else None, dtype=dtype)
        known = self._columns.get((tuple(values), str(dtype)))
        if known is None:
            name = f"{self._prefix}{len(self._columns)}"
            known = (name, pl.Series(name, values, dtype=dtype))
            self._columns[tuple(values), str(dtype)] = known
        return pl.col(known[0])

    def flags(self, holds: Sequence[bool]) -> Truth:
        """Return whether it holds for a row's key, given that for each key."""
        return holds[0] if len(set(holds)) == 1 else self.column(holds, pl.Boolean)

    def joined(self, frame: pl.LazyFrame, key: pl.Expr) -> pl.LazyFrame:
        """Return `frame` with the columns for each row's `key`, in the order of its rows."""
        if not self._columns:
            return frame
        name = f"{self._prefix}key"
        series = [pl.Series(name, self.keys, dtype=pl.String), *(each for _, each in self._columns.values())]
        table = pl.DataFrame(series).lazy()
        with_key = frame.with_columns(key.alias(name))
        return with_key.join(table, on=name, how="left", maintain_order="left").drop(name)
