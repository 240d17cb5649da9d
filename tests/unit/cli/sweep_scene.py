"""What tests of `policy sweep` share: run it, read what it wrote, and say what evaluate says of the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import Workload
from tests.unit.cli.given import AT, EXAMPLES
from tests.unit.fleet.tables import csv_text, frame, jsonl

Row = dict[str, Any]
NOW = datetime.fromisoformat(AT[1])


def table(folder: Path, kind: str, rows: list[Row]) -> Path:
    """Write a table of rows into a folder, in the format `kind`."""
    path = folder / f"fleet.{kind}"
    if kind == "parquet":
        frame(rows).write_parquet(path)
    else:
        path.write_bytes(csv_text(rows) if kind == "csv" else jsonl(rows))
    return path


def findings(path: Path) -> list[Row]:
    """Return the rows of a file of findings with ids."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rejects(target: Path) -> list[Row]:
    return findings(target.with_name(f"{target.name}.rejects.jsonl"))


def told(task: Mapping[str, Any], workload: Mapping[str, Any]) -> Row:
    """Return what the document of a decided task says of what findings tell, too."""
    fallback = (task["proposal"] or {}).get("fallback") or {}
    first = task["recommendation"] or {"deployment": None, "provisional": False}
    found: Row = {
        "workload.namespace": workload["namespace"],
        "workload.name": workload["name"],
        "task.name": task["name"],
        "verdict": task["verdict"],
        "recommendation": None if first["provisional"] else first["deployment"],
        "provisional": first["deployment"] if first["provisional"] else None,
        "cheapest": task["cheapest"],
        "fallback_verdict": fallback.get("verdict"),
    }
    options = {row["deployment"]: row for row in task["options"]}
    for option in OPTIONS:
        row = options[option]
        low, high = row["score_range"]
        found |= {f"status.{option}": row["status"], f"score.{option}": row["score"]}
        found |= {f"score_low.{option}": low, f"score_high.{option}": high}
    for name in ("fired", "indeterminate"):
        found[name] = sorted(row["id"] for row in task["rules"] if row["outcome"] == name)
    found["missing"] = sorted(task["missing_facts"])
    for name in ("outstanding", "uncertain"):
        found[name] = sorted(each["evidence"] for each in task["obligations"] if each["status"] == name)
    return found


def shown(found: Iterable[Row]) -> list[Row]:
    """Return findings in the same form."""
    masks = ("fired", "indeterminate", "missing", "outstanding", "uncertain")
    return [row | {name: sorted(row[name]) for name in masks} for row in found]


def decided(decider: Decider, folder: Path = EXAMPLES) -> list[Row]:
    """Return what `evaluate` decides of the workload files of a folder, in their order."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        for loaded in load_workloads(path, None, decider.policy.vocabulary):
            evidence = check_evidence(loaded.workload, NOW.date(), path.parent)
            document = decider.decide(loaded.workload, evidence, NOW).document
            found += [told(task, document["workload"]) for task in document["tasks"]]
    return found


def same(found: Iterable[Row], wanted: list[Row]) -> None:
    """Hold findings to what was decided, by all that the latter say."""
    rows = shown(found)
    assert len(rows) == len(wanted)
    for row, other in zip(rows, wanted, strict=True):
        assert {name: row[name] for name in other} == other


def decided_of(decider: Decider, raws: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return what `evaluate` decides of workloads that are given as plain data."""
    found = []
    for raw in raws:
        workload = Workload.model_validate(raw)
        document = decider.decide(workload, check_evidence(workload, NOW.date(), Path()), NOW).document
        found += [told(task, document["workload"]) for task in document["tasks"]]
    return found


def plain_examples() -> list[dict[str, Any]]:
    """Return the example workloads that a table can say: without evidence that is files."""
    found = []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for loaded in load_workloads(path, None, load_policy().vocabulary):
            raw = loaded.workload.model_dump(mode="json", by_alias=True, exclude_unset=True)
            stated = (raw["spec"].get("evidence") or {}).values()
            if all(set(each or {}) <= {"reference", "issued", "valid_until"} for each in stated):
                found.append(raw)
    return found
