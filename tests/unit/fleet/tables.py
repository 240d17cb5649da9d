"""Workloads written as rows of a table, by hand: what the readers make of them is held to the workloads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

Row = dict[str, Any]
AT = "2026-11-24T12:00:00Z"
#: The least that a row says.
LEAST: Row = {"workload.name": "w", "workload.stage": "pilot", "task.name": "t", "task.kind": "other"}


def rows_of_document(raw: Mapping[str, Any]) -> list[Row]:
    """Return the rows that say what a workload's document says, a task each; what is left out is left out."""
    spec, metadata = raw["spec"], raw["metadata"]
    shared: Row = {f"workload.{name}": value for name, value in metadata.items() if name != "labels"}
    for name in ("stage", "organisation", "deploy_within_days"):
        if name in spec:
            shared[f"workload.{name}"] = spec[name]
    for section in ("data", "volume", "budget", "team", "needs"):
        shared |= {f"{section}.{name}": value for name, value in (spec.get(section) or {}).items()}
    if spec.get("hardware") is not None:
        shared["hardware"] = spec["hardware"]
    shared |= _migration(spec)
    for name, evidence in (spec.get("evidence") or {}).items():
        for field, value in (evidence or {}).items():
            shared[f"evidence.{name}" + ("" if field == "reference" else f".{field}")] = value
    shared |= {f"custom.{name}": value for name, value in (spec.get("custom") or {}).items()}
    return [shared | {"workload.task_count": len(spec["tasks"])} | _task(task) for task in spec["tasks"]]


def _migration(spec: Mapping[str, Any]) -> Row:
    migration = spec.get("migration")
    if migration is None:
        return {}
    if migration == "none":
        return {"migration.present": False}
    found: Row = {"migration.present": True}
    for name, value in migration.items():
        if name == "from":
            found |= {f"migration.from.{key}": each for key, each in (value or {}).items()}
        else:
            found[f"migration.{name}"] = value
    return found


def _task(task: Mapping[str, Any]) -> Row:
    found: Row = {}
    for name, value in task.items():
        if name != "proposal":
            found[f"task.{name}"] = value
    for name, value in (task.get("proposal") or {}).items():
        if name == "fallback":
            found |= {f"proposal.fallback.{key}": each for key, each in (value or {}).items()}
        else:
            found[f"proposal.{name}"] = value
    return found


def jsonl(rows: Sequence[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def csv_text(rows: Sequence[Row]) -> bytes:
    """Return the rows as CSV; a column that any row has is null in those that leave it out."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return "; ".join(value) if value and all(isinstance(each, str) for each in value) else json.dumps(value)
        case dict():
            return json.dumps(value)
    return str(value)


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Return the rows as columns of the types that their values have."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = ("hardware", "task.min_scores")
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        if name in texts:
            values = [None if value is None else json.dumps(value) for value in values]
        columns.append(pl.Series(name, values, strict=True))
    return pl.DataFrame(columns)
