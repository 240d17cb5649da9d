"""Rows of a source on their way to the canonical frame: checked by columns, and one by one where that says no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from msgspec import Struct

from policy_engine.errors import InputError, Problem
from policy_engine.fleet.batches import ODD, Batch, frame_of_batch
from policy_engine.fleet.canonical import canonical_schema, frame_of, rows_of
from policy_engine.fleet.checking import Checks
from policy_engine.fleet.columns import ROW
from policy_engine.fleet.documents import workload_of_row
from policy_engine.fleet.rejects import Rejects, refusal
from policy_engine.fleet.source import COUNT, SHARE, SourceColumns
from policy_engine.fleet.workspace import Workspace
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy

PASSED = "__passed"
#: What a row says, as JSON: kept where decisions are recorded.
GIVEN = "__given"
ROWS = "rows"
LINE = "line"


#: What is wrong with rows, and what stood there, by line.
_Refused = dict[int, tuple[Sequence[Problem], Any]]


class Job(Struct, frozen=True):
    """What a sweep is told of its rows: the rules, the time, the columns, which others pass through, and what is kept.

    `recorded` where each row is kept as it was given, too; `told` are further columns of text that a source adds.
    `as_text` where the findings become CSV or JSON Lines, which hold less than Parquet.
    """

    policy: Policy
    at: datetime
    columns: SourceColumns
    keep: tuple[str, ...] = ()
    recorded: bool = False
    told: tuple[str, ...] = ()
    as_text: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The canonical columns, those that pass through as text, and what was given."""
        found = canonical_schema(self.policy)
        found |= {name: pl.String for name in (*self.keep, *self.told) if name not in found}
        return found | ({GIVEN: pl.String} if self.recorded else {})


class Intake:
    """Takes batches, spools what is good, and writes what is not to the rejects."""

    def __init__(self, job: Job, space: Workspace, rejects: Rejects, file: str) -> None:
        self.job, self._space, self._rejects, self._file = job, space, rejects, file
        self._parts = 0
        self.rows = 0

    def take_all(self, batches: Iterable[Batch], seen: Callable[[int], None] | None = None) -> None:
        """Take all that a reader yields; `seen` hears of the rows taken."""
        for batch in batches:
            self.rows += len(batch.numbers) + len(batch.bad)
            refused: _Refused = {each.line: (refusal(each.why), each.text) for each in batch.bad}
            if batch.numbers:
                good, bad = self._checked(batch)
                refused |= bad
                self.spool(good)
            for line, (problems, given) in sorted(refused.items()):
                self._rejects.add({"file": self._file, LINE: line}, problems, given, line)
            if seen is not None:
                seen(self.rows)

    def _checked(self, batch: Batch) -> tuple[pl.DataFrame, _Refused]:
        """Return the canonical rows of a batch, and what is wrong with the others, by line."""
        checks = Checks(self.job.columns, self.job.policy, self.job.at, batch.columns)
        frame = frame_of_batch(batch, self.job.columns.kinds).with_columns(checks.parsed())
        frame = frame.with_columns((checks.passes & ~pl.col(ODD)).alias(PASSED))
        if self.job.recorded:
            passed = frame[PASSED].to_list()  # the others may hold what no JSON says
            given = [row_text(batch.row(place)) if good else None for place, good in enumerate(passed)]
            frame = frame.with_columns(pl.Series(GIVEN, given, dtype=pl.String))
        good = selected(frame.lazy().filter(PASSED), checks, self.job.schema).collect()
        accepted, refused = [], _Refused()
        for place in _places(frame):
            row, number = batch.row(place), batch.numbers[place]
            found = row_alone(row, number, self.job)
            if isinstance(found, InputError):
                refused[number] = (found.problems, batch.shown(place))
            else:
                accepted.append(found)
        if accepted:
            good = pl.concat([good, frame_of(accepted, self.job.schema)]).sort(ROW)
        return good, refused

    def spool(self, frame: pl.DataFrame) -> None:
        """Keep canonical rows, which follow those kept before."""
        if frame.height:
            self._parts += 1
            frame.write_parquet(self._space.part(ROWS, self._parts), compression="lz4", statistics=False)


def row_alone(row: Mapping[str, Any], number: int, job: Job) -> dict[str, Any] | InputError:
    """Return the canonical row that the model of workload files makes of `row`, or all that is wrong with it."""
    workload = workload_of_row(row, job.columns, job.policy)
    if isinstance(workload, InputError):
        return workload
    evidence = check_evidence(workload, job.at.date(), Path())
    (found,) = rows_of(workload, evidence, job.policy, number)
    count, share = row.get(COUNT), row.get(SHARE)
    found |= {COUNT: 1 if count is None else count, SHARE: 1.0 if share is None else float(share)}
    found |= {name: row.get(name) for name in job.keep if name not in job.columns.kinds}
    return found | ({GIVEN: row_text(row)} if job.recorded else {})


def row_text(row: Mapping[str, Any]) -> str:
    """Return what a row says, as JSON."""
    try:
        return orjson.dumps(dict(row), default=str).decode()
    except TypeError:  # whole numbers beyond 64 bits, which a fact that is a double may be
        return json.dumps(dict(row), default=str, ensure_ascii=False)


def selected(frame: pl.LazyFrame, checks: Checks, schema: Mapping[str, Any]) -> pl.LazyFrame:
    """Return the canonical frame of rows that passed, with the columns of `schema` in order."""
    canonical = checks.canonical()
    own = {each.meta.output_name() for each in canonical}
    passed: Sequence[str] = [name for name in schema if name not in own]
    return frame.select(*passed, *canonical).select(list(schema))


def _places(frame: pl.DataFrame) -> list[int]:
    return frame.select((~pl.col(PASSED)).arg_true()).to_series().to_list()
