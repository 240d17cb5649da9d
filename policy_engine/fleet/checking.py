"""Check a table by columns, and turn it into the canonical frame.

This is a sieve: a row that passes is a valid workload, for sure. A row that does not pass is looked at by itself, by
the model that reads workload files, which alone refuses a row. So the columns need not know every rule, nor its words.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache, reduce
from typing import Any

import polars as pl

from policy_engine.fleet.canonical import DTYPES, hardware_text, json_text
from policy_engine.fleet.columns import HARDWARE, MIN_SCORES, declared, evidence_column
from policy_engine.fleet.documents import json_value, refused_texts
from policy_engine.fleet.sieving import allowed, in_pattern, is_one_of, is_plain, items_hold, read_apart
from policy_engine.fleet.source import (
    CHAMPION,
    COUNT,
    EVIDENCE,
    FALLBACK,
    HAS_CHAMPION,
    MIGRATION,
    NAMESPACE,
    PROPOSED,
    REQUIRED,
    SHARE,
    SourceColumns,
)
from policy_engine.loading.policy import Policy
from policy_engine.loading.yaml_scalars import LARGEST_INTEGER
from policy_engine.model.fields import DATE_PATTERN, LINE_PATTERN, MOST_ITEMS, MOST_TASKS, NAME_PATTERN
from policy_engine.model.vocabulary import CUSTOM, Fact
from policy_engine.model.workload import ANYWHERE, DEFAULT_NAMESPACE, SHARE_TOLERANCE, Hardware, Task

_LONGEST_NAME = 253
_NAMES = (NAMESPACE, "workload.name")
_QUANTIZATION = "proposal.quantization"
_CLAIM, _FLOORS = "__claim", "__floors"


class Checks:
    """What a table with these columns has to hold, and what the canonical frame takes from it."""

    def __init__(self, columns: SourceColumns, policy: Policy, at: datetime, given: Collection[str]) -> None:
        self._columns, self._policy, self._day = columns, policy, at.date().isoformat()
        self._given = frozenset(given) & columns.kinds.keys()

    def parsed(self) -> list[pl.Expr]:
        """Return the columns to add first: floors and claims as they were read, each distinct text once."""
        found = [self._read_floors().alias(_FLOORS)] if MIN_SCORES in self._given else []
        return found + ([self._read_claims().alias(_CLAIM)] if HARDWARE in self._given else [])

    def _read_claims(self) -> pl.Expr:
        names, kinds = self._claimed(), {"bool": pl.Boolean, "int": pl.Int64, "double": pl.Float64}
        types = {HARDWARE: pl.String, **{name: kinds.get(fact.type, pl.String) for name, fact in names.items()}}
        shape = pl.Struct(types)

        def read(texts: pl.Series) -> pl.Series:
            found = [read_claim(text, tuple(names)) for text in texts.to_list()]
            return pl.Series(texts.name, found, dtype=shape)

        return pl.col(HARDWARE).map_batches(read, return_dtype=shape, is_elementwise=True)

    @property
    def passes(self) -> pl.Expr:
        """Whether a row is a valid workload for sure; never null. `parsed` comes first."""
        checks = [self._check(name) for name in sorted(self._given)]
        checks += self._together()
        return pl.all_horizontal([each.fill_null(False) for each in checks])

    def canonical(self) -> list[pl.Expr]:
        """Return the canonical columns of rows that pass, but for `row`."""
        found = {name: self._value(name, fact) for name, fact in declared(self._policy).items()}
        found |= self._computed()
        evidence = {evidence_column(name): self._grade(name) for name in self._policy.vocabulary.evidence}
        return [expression.alias(name) for name, expression in (found | evidence).items()]

    def _col(self, name: str, kind: Any = pl.String) -> pl.Expr:
        return pl.col(name) if name in self._given else pl.lit(None, dtype=kind)

    def _said(self, prefix: str, *but: str) -> pl.Expr:
        """Whether any given column under `prefix` says something."""
        names = [name for name in sorted(self._given) if name.startswith(prefix) and name not in but]
        return reduce(operator.or_, [pl.col(name).is_not_null() for name in names], pl.lit(False))

    # ---- what a column has to hold

    def _check(self, name: str) -> pl.Expr:
        value = pl.col(name)
        holds = self._holds(name, value)
        return value.is_not_null() & holds if name in REQUIRED else value.is_null() | holds

    def _holds(self, name: str, value: pl.Expr) -> pl.Expr:
        """Whether a value that is not null may stand in its column."""
        if name in _NAMES:
            return in_pattern(name, NAME_PATTERN) & (value.str.len_chars() <= _LONGEST_NAME)
        if name == "task.name":
            return allowed(name, LINE_PATTERN) & (value.str.len_chars() <= _LONGEST_NAME)
        if name == HARDWARE:
            return pl.col(_CLAIM).struct.field(HARDWARE).is_not_null()
        if name == MIN_SCORES:
            return pl.col(_FLOORS).is_not_null()
        if name.startswith(EVIDENCE) and name.endswith((".issued", ".valid_until")):
            return _is_date(value)
        fact = self._columns.facts.get(name)
        if name == COUNT:
            return value.is_between(1, MOST_TASKS)
        if fact is None:
            return allowed(name, LINE_PATTERN) if name not in (MIGRATION, HAS_CHAMPION) else pl.lit(True)
        return self._of_fact(name, fact, value)

    def _of_fact(self, name: str, fact: Fact, value: pl.Expr) -> pl.Expr:
        match fact.type:
            case "bool":
                return pl.lit(True)
            case "int" | "double":
                return _within(fact, value)
            case "string":
                if fact.values is not None:
                    return is_one_of(value, tuple(fact.values))
                return allowed(name, None if name.startswith(CUSTOM) else LINE_PATTERN)
        return self._list(name, fact, value)

    def _list(self, name: str, fact: Fact, value: pl.Expr) -> pl.Expr:
        known = list(self._policy.vocabulary.regulations) if name == "data.regulations" else fact.values

        def each(item: pl.Expr) -> pl.Expr:
            if known is not None:
                return item.is_in(list(known))
            return is_plain(item) if name.startswith(CUSTOM) else item.str.contains(LINE_PATTERN) & is_plain(item)

        holds = items_hold(name, each) & (value.list.len() <= MOST_ITEMS)
        if name == "task.modalities":
            return holds & (value.list.len() > 0)
        if name == "data.residency":
            return holds & ((value.list.len() == 1) | ((value.list.len() > 0) & ~value.list.contains(ANYWHERE)))
        return holds

    def _together(self) -> list[pl.Expr]:
        """What columns have to agree on."""
        proposed, fallback = self._col(PROPOSED).is_not_null(), self._col(FALLBACK).is_not_null()
        present, champion = self._col(MIGRATION, pl.Boolean), self._col(CHAMPION).is_not_null()
        has = self._col(HAS_CHAMPION, pl.Boolean)
        share, count = self._col(SHARE, pl.Float64), self._col(COUNT, pl.Int64).fill_null(1)
        alone = share.is_null() | ((share - 1.0).abs() <= SHARE_TOLERANCE)
        return [
            proposed | ~self._said("proposal.", PROPOSED),
            fallback | ~self._said("proposal.fallback.", FALLBACK),
            present.fill_null(True) | ~(self._said("migration.", MIGRATION, HAS_CHAMPION) | has.fill_null(False)),
            has.fill_null(True) | ~champion,
            ((count > 1) & share.is_not_null()) | ((count == 1) & alone),
        ]

    # ---- what the canonical frame holds

    def _value(self, name: str, fact: Fact) -> pl.Expr:
        kind = DTYPES[fact.type]
        if name.startswith("hardware."):
            return pl.col(_CLAIM).struct.field(name) if HARDWARE in self._given else pl.lit(None, dtype=kind)
        if name in self._given:
            return pl.col(name)
        return pl.lit(fact.default, dtype=kind)

    def _computed(self) -> dict[str, pl.Expr]:
        proposed, present = self._col(PROPOSED).is_not_null(), self._col(MIGRATION, pl.Boolean)
        champion = self._col(CHAMPION).is_not_null() | self._col(HAS_CHAMPION, pl.Boolean).fill_null(False)
        moved = self._said("migration.", MIGRATION, HAS_CHAMPION) | champion
        found = {
            NAMESPACE: self._col(NAMESPACE).fill_null(DEFAULT_NAMESPACE),
            "workload.owner_present": pl.lit(True),
            COUNT: self._col(COUNT, pl.Int64).fill_null(1),
            SHARE: self._col(SHARE, pl.Float64).fill_null(1.0),
            "proposal.present": proposed,
            "proposal.fallback.present": self._col(FALLBACK).is_not_null(),
            "hardware.present": self._col(HARDWARE).is_not_null(),
            MIGRATION: pl.when(moved).then(True).otherwise(present),
            HAS_CHAMPION: champion,
            MIN_SCORES: pl.col(_FLOORS) if MIN_SCORES in self._given else pl.lit("{}"),
            HARDWARE: self._claim_text(),
        }
        if _QUANTIZATION not in self._given:
            found[_QUANTIZATION] = pl.when(proposed).then(pl.lit("bf16"))
        return found

    def _claim_text(self) -> pl.Expr:
        given = HARDWARE in self._given
        return pl.col(_CLAIM).struct.field(HARDWARE) if given else pl.lit(None, dtype=pl.String)

    def _grade(self, name: str) -> pl.Expr:
        column = EVIDENCE + name
        issued, until = self._col(f"{column}.issued"), self._col(f"{column}.valid_until")
        counts = self._col(column).is_not_null() & (issued <= self._day).fill_null(True)
        counts = counts & (until >= self._day).fill_null(True)
        if name == "owner_named":  # MIGRATE-01: the champion is the migration's named owner
            counts = counts | self._computed()[HAS_CHAMPION]
        return counts.cast(pl.UInt8)

    def _read_floors(self) -> pl.Expr:
        benchmarks = frozenset(self._policy.catalog.benchmarks)

        def read(texts: pl.Series) -> pl.Series:
            return read_apart(texts, lambda text: read_floors(text, benchmarks))

        return pl.col(MIN_SCORES).map_batches(read, return_dtype=pl.String, is_elementwise=True)

    def _claimed(self) -> Mapping[str, Fact]:
        """Return the declared facts that a claim states."""
        return {name: fact for name, fact in declared(self._policy).items() if is_claimed(name)}


def is_claimed(name: str) -> bool:
    """Whether a declared fact is one that the section `hardware` states."""
    return name.startswith("hardware.") and name != "hardware.present"


@lru_cache(maxsize=1 << 16)
def read_floors(text: str | None, benchmarks: frozenset[str]) -> str | None:
    """Return floors as the frame holds them; None where there are none, or where they are for the model to look at."""
    try:
        value = json_value(text or "")
        floors = Task.model_validate({"name": "t", "kind": "other", "min_scores": value}).min_scores
    except ValueError:
        return None
    return None if floors is None or not floors.keys() <= benchmarks else json_text(floors)


@lru_cache(maxsize=1 << 16)
def read_claim(text: str | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a claim as the frame holds it, with the facts `names` that it states; None where none is to be had."""
    if text is None:
        return None
    try:
        said = json_value(text)
        claim = Hardware.model_validate(said)
    except ValueError:
        return None
    if next(refused_texts(said), None) is not None:
        return None
    found: dict[str, Any] = {HARDWARE: hardware_text(claim)}
    for name in names:
        value: Any = claim
        for step in name.split(".")[1:]:
            value = getattr(value, step, None)
        found[name] = value
    return found


def _within(fact: Fact, value: pl.Expr) -> pl.Expr:
    exact = value.is_between(-LARGEST_INTEGER, LARGEST_INTEGER)
    holds = value.is_finite() if fact.type == "double" else exact
    if fact.minimum is not None:
        holds = holds & (value >= fact.minimum)
    if fact.maximum is not None:
        holds = holds & (value <= fact.maximum)
    return holds


def _is_date(value: pl.Expr) -> pl.Expr:
    shaped = value.str.contains(DATE_PATTERN) & ~value.str.starts_with("0000")
    return shaped & value.str.to_date("%Y-%m-%d", strict=False).is_not_null()
