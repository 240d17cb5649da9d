"""Where the rows of a sweep come from: a directory of workload files, or one file of a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from policy_engine.decide import Decider
from policy_engine.errors import InputError, Problem, UsageError
from policy_engine.fleet import csv_rows, jsonl_rows
from policy_engine.fleet.canonical import frame_of
from policy_engine.fleet.columns import DECISION, ENTRY, ROW, FleetIndex, findings_columns
from policy_engine.fleet.intake import GIVEN, ROWS, Intake, Job
from policy_engine.fleet.parquet_rows import ParquetRows, unreadable
from policy_engine.fleet.rejects import Rejects
from policy_engine.fleet.source import SourceColumns
from policy_engine.fleet.workspace import Workspace, disk_error
from policy_engine.fleet.yaml_rows import FILE, STATUSES, YamlRows
from policy_engine.loading.policy import Policy
from policy_engine.loading.wording import listed, quoted

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

FORMATS = ("parquet", "csv", "jsonl")
Seen = Callable[[int], None]


@dataclass(frozen=True)
class Rows:
    """The canonical rows of a source, in its order; `count` are its rows, good and bad.

    `check_unchanged` raises where the source is not any more what was read.
    """

    frame: pl.LazyFrame
    count: int
    check_unchanged: Callable[[], None]


def format_of(path: Path, what: str) -> str:
    """Return the format that the ending of a file's name tells.

    Raises:
        UsageError: it tells none.
    """
    ending = {".ndjson": "jsonl"}.get(path.suffix.lower(), path.suffix.lower().removeprefix("."))
    if ending in FORMATS:
        return ending
    message = f"the ending of {quoted(path)} does not say in which format {what}"
    raise UsageError(Problem("unknown-format", message, help=f"end it in {listed('.' + name for name in FORMATS)}"))


def job_for(
    source: Path, policy: Policy, at: datetime, columns: SourceColumns, index: FleetIndex, keep: tuple[str, ...]
) -> Job:
    """Return the job of a source.

    Raises:
        UsageError: a column cannot be kept.
    """
    theirs = (*findings_columns(index), DECISION, ENTRY, GIVEN, STATUSES, FILE)
    own = [name for name in keep if name in theirs or name.startswith("__")]
    if own:
        message = f"{listed(own, 'and')} cannot be kept: the findings have columns of their own by that name"
        raise UsageError(Problem("usage", message, help="rename the column in the source"))
    if len(set(keep)) < len(keep):
        raise UsageError(Problem("usage", "a column is to be kept twice", help="name each once"))
    if not source.is_dir():
        return Job(policy, at, columns, keep)
    if keep:
        raise UsageError(Problem("usage", "workload files have no other columns to keep", help="leave `--keep` out"))
    return Job(policy, at, columns, (FILE,), told=(STATUSES,))


def read_rows(
    source: Path,
    kind: str | None,
    job: Job,
    space: Workspace,
    rejects: Rejects,
    decider: Decider,
    ledger: Callable[[], Ledger] | None,
    seen: Seen | None = None,
) -> Rows:
    """Read and check all of a source; `kind` is the format of a file.

    Raises:
        InputError: it cannot be read at all, or its columns are no table of tasks.
    """
    if source.is_dir():
        intake = Intake(job, space, rejects, str(source))
        YamlRows(intake, rejects, decider, ledger).take_all(source, seen)
        return Rows(spooled(space, job), intake.rows, _nothing)
    if kind == "parquet":
        return _parquet(source, job, space, rejects)
    intake = Intake(job, space, rejects, str(source))
    try:
        with source.open("rb") as stream:
            if kind == "csv":
                records = csv_rows.read_records(stream)
                header = csv_rows.read_header(records, str(source))
                job.columns.check(header, job.keep, f"{source}:1")
                intake.take_all(csv_rows.read_batches(records, header, dict(job.columns.kinds)), seen)
            else:
                intake.take_all(jsonl_rows.read_batches(stream, job.columns, job.keep), seen)
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) != os.fspath(source):
            raise
        raise unreadable(str(source), error) from None
    return Rows(spooled(space, job), intake.rows, _nothing)


def spooled(space: Workspace, job: Job) -> pl.LazyFrame:
    """Return the canonical rows that were spooled."""
    parts = space.parts(ROWS)
    return pl.scan_parquet(parts, glob=False) if parts else frame_of([], job.schema).lazy()


def _parquet(source: Path, job: Job, space: Workspace, rejects: Rejects) -> Rows:
    rows = ParquetRows(source, job, str(source))
    try:
        passing, rest = rows.passing(), rows.look_at_the_rest(space, rejects)
    except pl.exceptions.PolarsError as error:
        if disk_error(error) is not None:
            raise
        raise unreadable(str(source), error) from None
    frame = passing if rest is None else passing.merge_sorted(rest, ROW)
    return Rows(frame, rows.count, rows.check_unchanged)


def _nothing() -> None:
    """Stand for the check of a source that was read once, from its beginning to its end."""


def check_source(source: Path) -> None:
    """Refuse a source that is not there.

    Raises:
        InputError: it is neither a directory nor a file.
    """
    if not source.is_dir() and not source.is_file():
        reason = "no such file or directory" if not os.path.exists(source) else "it is neither a file nor a directory"
        hint = "name a directory of workload files, or a .parquet, .csv or .jsonl file"
        raise InputError(Problem("sweep-source", f"cannot read {quoted(source)}: {reason}", help=hint))
