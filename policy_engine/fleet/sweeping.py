"""Sweep a fleet: read, decide by columns, decide alone what is left, count, record, and put the files in place.

INVARIANT: every row that came in goes out, as a finding or as a reject; a sweep that cannot show it hands out nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.errors import InputError, PolicyError, Problem, RulesError, UsageError
from policy_engine.fleet.alone import Alone, OnRecord
from policy_engine.fleet.canonical import frame_of
from policy_engine.fleet.columns import ROW, findings_columns
from policy_engine.fleet.engine import FleetEngine
from policy_engine.fleet.intake import LINE, Job
from policy_engine.fleet.reading import Rows, check_source, job_for, read_rows
from policy_engine.fleet.recording import Recording, entries
from policy_engine.fleet.rejects import Rejects
from policy_engine.fleet.source import source_columns
from policy_engine.fleet.summary import Summary, summary_of
from policy_engine.fleet.workspace import Workspace, disk_error, put_in_place
from policy_engine.fleet.writing import Safe, index_path, write_as, write_index, write_masks
from policy_engine.loading.policy import Policy

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

_ALONE = "alone-findings"
#: Row groups that Polars reads ahead: with its own number a table of a million rows is in memory whole, and with two a
#: million rows take three times what a hundred thousand take.
_PREFETCH = ("POLARS_ROW_GROUP_PREFETCH_SIZE", "1")
_ROWS_AT_ONCE = 2_000


class ByColumns(Protocol):
    """Decides the rows that the kernel covers; `findings` are in the order of `row`."""

    def findings(self, rows: pl.LazyFrame, keep: Sequence[str], space: Workspace) -> pl.LazyFrame: ...


@dataclass(frozen=True)
class Order:
    """What is to be swept, under which rules, and where it goes.

    `ledger` is opened where evidence or waivers name entries of it; None where none is given. `safe` makes texts safe
    for spreadsheets.
    """

    source: Path
    source_format: str | None
    target: Path
    target_format: str
    rejects: Path
    policy: Policy
    at: datetime
    safe: Safe
    keep: tuple[str, ...] = ()
    ids: bool = False
    ledger: Callable[[], Ledger] | None = None
    waivers: OnRecord | None = None
    recording: Recording | None = None
    by_columns: Callable[[FleetEngine, Job], ByColumns] | None = None
    seen: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Swept:
    """What a sweep came to; `seconds` are for people, and no part of what it says."""

    rows: int
    findings: int
    rejects: int
    alone: int
    summary: Summary
    recorded: int | None
    first_reject: str
    seconds: float
    files: Mapping[str, Path] = field(default_factory=dict)


class _Polars:
    """The kernel in this process."""

    def __init__(self, engine: FleetEngine, job: Job) -> None:
        self._engine = engine

    def findings(self, rows: pl.LazyFrame, keep: Sequence[str], space: Workspace) -> pl.LazyFrame:
        return self._engine.findings(rows, keep)


def sweep(order: Order) -> Swept:
    """Sweep a fleet.

    Raises:
        InputError: the source cannot be read, is no table of tasks, or has no row.
        UsageError: a file cannot be written.
        RulesError: the rules contradict each other on a row.
        RecordingError: the ledger refused; nothing is handed out.
        PolicyError: the counts do not add up, or a recorded decision is another than was found.
    """
    started = time.perf_counter()
    os.environ.setdefault(*_PREFETCH)
    check_source(order.source)
    engine = FleetEngine(order.policy, order.at)
    decider = Decider(order.policy)
    columns = source_columns(order.policy.vocabulary)
    job = job_for(order.source, order.policy, order.at, columns, engine.index, order.keep)
    job = replace(job, recorded=order.recording is not None, as_text=order.target_format != "parquet")
    try:
        with ExitStack() as stack:
            space = stack.enter_context(Workspace(order.target))
            rejects = Rejects(space.folder / "rejects.jsonl")
            stack.callback(rejects.close)
            return _Sweep(order, job, engine, decider, space, rejects, started).run()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = disk_error(error)
        if reason is None:
            raise
        message = f"cannot write `{order.target}`: {reason}"
        hint = "name a place where files can be written, with enough room"
        raise UsageError(Problem("cannot-write", message, help=hint)) from error


class _Sweep:
    def __init__(
        self,
        order: Order,
        job: Job,
        engine: FleetEngine,
        decider: Decider,
        space: Workspace,
        rejects: Rejects,
        started: float,
    ) -> None:
        self._order, self._job, self._engine, self._decider = order, job, engine, decider
        self._space, self._rejects, self._started = space, rejects, started
        self._alone = Alone(job, decider, engine.index, order.waivers)
        self._findings = space.folder / "findings.parquet"

    def run(self) -> Swept:
        order, space = self._order, self._space
        rows = read_rows(
            order.source, order.source_format, self._job, space, self._rejects, self._decider, order.ledger, order.seen
        )
        if rows.count == 0:
            raise InputError(Problem("sweep-empty", f"{order.source}: there is no row", help="name another source"))
        frame = rows.frame
        if order.recording is not None:
            key = ROW if order.source_format == "parquet" else LINE
            frame = order.recording.gather(frame, self._job, space, self._rejects, order.source, key)
        alone = self._decide(frame)
        rows.check_unchanged()
        found = pl.scan_parquet(self._findings, glob=False).select(pl.len()).collect().item()
        self._rejects.close()
        self._add_up(rows, found)
        recorded = None
        if order.recording is not None:
            recorded = order.recording.record(self._findings, self._alone, self._job, self._decider, space)
            self._findings = self._with_entries()
        summary = summary_of(self._findings, self._engine.index)
        files = self._hand_out()
        seconds = time.perf_counter() - self._started
        return Swept(
            rows.count, found, self._rejects.count, alone, summary, recorded, self._rejects.first, seconds, files
        )

    def _decide(self, frame: pl.LazyFrame) -> int:
        """Write the findings of all rows, in order; return how many were decided alone."""
        order, job, engine = self._order, self._job, self._engine
        needed = self._alone.needed(engine.covered, frame.collect_schema().names())
        alone, covered = 0, frame
        if frame.select(needed.any()).collect(engine="streaming").item():
            alone, covered = self._decide_alone(frame.filter(needed)), frame.filter(~needed)
        by_columns = (order.by_columns or _Polars)(engine, job)
        found = by_columns.findings(covered, job.keep, self._space)
        if alone:
            apart = pl.scan_parquet(self._space.parts(_ALONE), glob=False)
            schema = found.collect_schema()
            found = found.merge_sorted(apart.cast(dict(schema)).select(schema.names()), ROW)  # type: ignore[arg-type]
        write_masks(found, self._findings, engine.index)
        conflicts = pl.scan_parquet(self._findings, glob=False).select("conflict", ROW).filter("conflict")
        if (row := conflicts.head(1).collect()).height:
            self._say_conflict(frame.filter(pl.col(ROW) == row[ROW][0]))
        return alone

    def _decide_alone(self, frame: pl.LazyFrame) -> int:
        count, number = 0, 0
        schema = self._alone_schema(frame)
        for batch in frame.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True, engine="streaming"):
            if batch.height:
                number += 1
                found = [self._alone.finding(row) for row in batch.iter_rows(named=True)]
                frame_of(found, schema).write_parquet(self._space.part(_ALONE, number))
                count += batch.height
        return count

    def _alone_schema(self, frame: pl.LazyFrame) -> dict[str, Any]:
        given = frame.collect_schema()
        names = findings_columns(self._engine.index, self._job.keep)
        return {name: given[name] if name in given else _kind_of(name) for name in names}

    def _say_conflict(self, frame: pl.LazyFrame) -> None:
        """Decide alone what has no decision, which raises the error that says so."""
        self._alone.finding(frame.collect().to_dicts()[0])
        raise RulesError(Problem("derivation-conflict", "two rules give one fact different values"))

    def _with_entries(self) -> Path:
        """Return the findings with the decision and the entry of each."""
        path = self._space.folder / "recorded.parquet"
        found = pl.scan_parquet(self._findings, glob=False)
        told = found.join(entries(self._space), on=ROW, how="left", maintain_order="left")
        write_masks(told, path, self._engine.index)
        return path

    def _add_up(self, rows: Rows, found: int) -> None:
        if rows.count != found + self._rejects.count:
            message = f"{rows.count:,} rows came in, and {found:,} findings and {self._rejects.count:,} rejects go out"
            raise PolicyError(Problem("sweep-count", message, help="nothing was written; report it"))

    def _hand_out(self) -> dict[str, Path]:
        """Put the files in place, the findings last; return them by what they are."""
        order, folder = self._order, self._space.folder
        made = {"rejects": self._rejects.path}
        files = {"rejects": order.rejects}
        if order.target_format != "parquet" or order.ids:
            made["findings"] = folder / "out"
            write_as(self._findings, made["findings"], order.target_format, self._engine.index, order.safe)
        else:
            made |= {"index": folder / "index.json", "findings": self._findings}
            files["index"] = index_path(order.target)
            write_index(made["index"], self._engine.index)
        files["findings"] = order.target
        for name, place in files.items():
            put_in_place(made[name], place)
        return files


def _kind_of(name: str) -> Any:
    """Return the type of a column of findings that are decided alone; the kernel's own may be narrower."""
    head = name.partition(".")[0]
    if head in ("score", "score_low", "score_high"):
        return pl.Int64
    if head == "monthly_usd":
        return pl.Float64
    if name in ("firm", "conflict"):
        return pl.Boolean
    return pl.UInt64 if name.rpartition("_")[2].isdigit() else pl.String
