"""Put a sweep on record: each workload decided in full, as `policy evaluate` does, and held to what the sweep found.

A workload is recorded whole: all of its tasks are rows of the source, and say the same of the workload. What cannot be
recorded is a reject, and has no finding either: no decision is handed out that is not recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from policy_engine.decide import Decider
from policy_engine.errors import InputError, PolicyError, Problem
from policy_engine.fleet.alone import Alone
from policy_engine.fleet.columns import DECISION, ENTRY, ROW
from policy_engine.fleet.documents import Row, workload_of
from policy_engine.fleet.intake import GIVEN, Job
from policy_engine.fleet.rejects import Rejects
from policy_engine.fleet.source import CHAMPION, COUNT, HAS_CHAMPION, OWNER, SHARE, SourceColumns
from policy_engine.fleet.workspace import Workspace
from policy_engine.fleet.yaml_rows import given_of, given_text
from policy_engine.loading.evidence import check_evidence
from policy_engine.model.decision import Decision
from policy_engine.model.waiver import Waiver
from policy_engine.model.workload import DEFAULT_NAMESPACE, Workload
from policy_engine.recorder import Context, Recorder

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

WORKLOADS = "workloads"
ON_RECORD = "on-record"
#: Workloads of one commit.
IN_COMMIT = 500
_NAMES = ("workload.namespace", "workload.name")
_OWN = ("task.", "proposal.")
_MOVED = "migration."
_CLOSE = 1e-9
_ENTRIES: dict[str, Any] = {ROW: pl.UInt64, DECISION: pl.String, ENTRY: pl.Int64}


@dataclass
class Recording:
    """Records what is swept; `ledger` is opened when the first decision is about to be recorded.

    `waivers` are those on a workload, and `check_fresh` raises where they were looked at too long ago. `recorded`
    counts what is on record, also where the recording ends early.
    """

    ledger: Callable[[], Ledger]
    context: Context
    waivers: Callable[[Workload], Sequence[Waiver]]
    check_fresh: Callable[[], None]
    seen: Callable[[int], None] | None = None
    recorded: int = 0

    def gather(
        self, frame: pl.LazyFrame, job: Job, space: Workspace, rejects: Rejects, source: Path, key: str
    ) -> pl.LazyFrame:
        """Gather the rows of each workload; return the rows of those that can be recorded.

        `key` is what the source calls the number of a row.
        """
        refused: list[int] = []
        found: list[dict[str, Any]] = []
        number = 0
        groups = _of_files(frame) if source.is_dir() else _of_table(frame)
        for rows in groups:
            whole = _whole(rows, job) if not source.is_dir() else rows[0][GIVEN]
            if isinstance(whole, InputError):
                self._refuse(rows, whole, rejects, {"file": str(source)}, key)
                refused += [row[ROW] for row in rows]
                continue
            found.append({"first": rows[0][ROW], "rows": [row[ROW] for row in rows], "given": whole})
            if len(found) == IN_COMMIT:
                number += 1
                _write(found, space, number)
                found = []
        if found:
            _write(found, space, number + 1)
        if not refused:
            return frame
        return frame.filter(~pl.col(ROW).is_in(pl.Series(refused, dtype=pl.UInt64).implode()))

    def _refuse(
        self, rows: Sequence[Row], error: InputError, rejects: Rejects, file: Mapping[str, str], key: str
    ) -> None:
        for row in rows:
            rejects.add({**file, key: row[ROW]}, error.problems, orjson.Fragment(row[GIVEN]), row[ROW])

    def record(self, findings: Path, alone: Alone, job: Job, decider: Decider, space: Workspace) -> int:
        """Decide and record every workload that was gathered; return how many.

        Raises:
            PolicyError: a decision is another than was found; nothing more is recorded.
            RecordingError: the ledger refused.
        """
        recorder = Recorder(self.ledger(), job.policy)
        for number, part in enumerate(space.parts(WORKLOADS), start=1):
            batch = pl.read_parquet(part, glob=False).to_dicts()
            rows = [row for each in batch for row in each["rows"]]
            found = _findings(findings, rows)
            made = [self._decided(each, found, alone, decider, job) for each in batch]
            self.check_fresh()
            places = recorder.record(made, self.context)
            self.recorded += len(made)
            told = [
                {ROW: row, DECISION: decision.id, ENTRY: place["index"]}
                for each, decision, place in zip(batch, made, places, strict=True)
                for row in each["rows"]
            ]
            pl.DataFrame(told, schema=_ENTRIES).write_parquet(space.part(ON_RECORD, number))
            if self.seen is not None:
                self.seen(self.recorded)
        return self.recorded

    def _decided(
        self,
        given: Mapping[str, Any],
        found: Mapping[int, dict[str, Any]],
        alone: Alone,
        decider: Decider,
        job: Job,
    ) -> Decision:
        workload, evidence = given_of(given["given"])
        decision = decider.decide(workload, evidence, job.at, tuple(self.waivers(workload)))
        for row, result in zip(given["rows"], decision.results, strict=True):
            other = differing(alone.finding_of(result), found[row])
            if other is not None:
                message = f"the row {row} of `{workload.identity}` was found otherwise than it is decided: `{other}`"
                hint = "what was recorded before stays; nothing of this workload was, and no findings are handed out"
                raise PolicyError(Problem("sweep-differs", message, help=hint))
        return decision


def entries(space: Workspace) -> pl.LazyFrame:
    """Return the decision and the entry of each row that was recorded; there may be none."""
    parts = space.parts(ON_RECORD)
    return pl.scan_parquet(parts, glob=False) if parts else pl.LazyFrame(schema=_ENTRIES)


def differing(decided: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """Return a column in which a finding is another than was decided; None where there is none."""
    for name, value in decided.items():
        other = found[name]
        if isinstance(value, float) and isinstance(other, float):
            if not math.isclose(value, other, rel_tol=_CLOSE, abs_tol=_CLOSE):
                return name
        elif value != other:
            return name
    return None


def _findings(path: Path, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
    wanted = pl.Series(rows, dtype=pl.UInt64)
    frame = pl.scan_parquet(path, glob=False).filter(pl.col(ROW).is_between(wanted.min(), wanted.max()))
    found = frame.filter(pl.col(ROW).is_in(wanted.implode())).collect(engine="streaming")
    return {row[ROW]: row for row in found.iter_rows(named=True)}


def _write(found: Sequence[Mapping[str, Any]], space: Workspace, number: int) -> None:
    kinds: dict[str, Any] = {"first": pl.UInt64, "rows": pl.List(pl.UInt64), "given": pl.String}
    pl.DataFrame(found, schema=kinds).write_parquet(space.part(WORKLOADS, number))


def _of_files(frame: pl.LazyFrame) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each workload file's documents, which follow each other; the first says all."""
    rows: list[dict[str, Any]] = []
    for batch in frame.select(ROW, GIVEN).collect_batches(chunk_size=2_000, maintain_order=True, engine="streaming"):
        for row in batch.iter_rows(named=True):
            if row[GIVEN] is not None and rows:
                yield rows
                rows = []
            rows.append(row)
    if rows:
        yield rows


def _of_table(frame: pl.LazyFrame) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each workload of a table, wherever they stand, in the order of the first of each."""
    ordered = frame.select(ROW, *_NAMES, GIVEN).with_columns(pl.col(ROW).min().over(_NAMES).alias("first"))
    ordered = ordered.sort("first", ROW)
    batches = ordered.collect_batches(chunk_size=2_000, maintain_order=True, engine="streaming")
    rows = (row for batch in batches for row in batch.iter_rows(named=True))
    for _, group in groupby(rows, key=lambda row: row["first"]):
        yield list(group)


def _whole(rows: Sequence[Row], job: Job) -> str | InputError:
    """Return the workload whose rows these are with its evidence, as JSON, or why it cannot be recorded."""
    said = [orjson.loads(row[GIVEN]) for row in rows]
    if wrong := _unrecordable(said, job.columns):
        return InputError(Problem("sweep-record", f"the workload cannot be recorded: {wrong}"))
    tasks = [{name: value for name, value in row.items() if name != COUNT} for row in said]
    workload = workload_of(tasks, job.columns, job.policy)
    if isinstance(workload, InputError):
        return workload
    return given_text(workload, check_evidence(workload, job.at.date(), Path()))


def _meant(row: Row, name: str, columns: SourceColumns) -> Any:
    """Return what a row says of a column, however it says it: what is left out says the default."""
    value = row.get(name, columns.default(name))
    match name:
        case "workload.namespace":
            return DEFAULT_NAMESPACE if value is None else value
        case "workload.task_count":
            return 1 if value is None else value
        case "migration.champion_present":
            return bool(value) or row.get(CHAMPION) is not None
        case "migration.present":
            moved = any(each is not None and each is not False for key, each in row.items() if key.startswith(_MOVED))
            return True if moved else value
        case "hardware" if value is not None:
            return orjson.loads(value)
    return value


def _rows(count: int) -> str:
    return f"{count:,} row" + ("s" if count != 1 else "")


def _unrecordable(said: Sequence[Row], columns: SourceColumns) -> str | None:
    first = said[0]
    count = _meant(first, COUNT, columns)
    shared = {name for row in said for name in row if name in columns.kinds and not name.startswith(_OWN)}
    for name in sorted(shared):
        wanted = _meant(first, name, columns)
        if any(_meant(row, name, columns) != wanted for row in said):
            return f"its rows do not say the same of `{name}`"
    if count != len(said):
        return f"`{COUNT}` is {count:,}, and the source has {_rows(len(said))} of it"
    if first.get(OWNER) is None:
        return f"`{OWNER}` is not given, and a record says that somebody answers for it"
    if first.get(HAS_CHAMPION) and first.get(CHAMPION) is None:
        return f"`{HAS_CHAMPION}` is true, and `{CHAMPION}` names nobody"
    return f"`{SHARE}` is not given" if count > 1 and any(row.get(SHARE) is None for row in said) else None
