"""The canonical frame: one row a task, with all that the kernel is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
import polars as pl
from policy_audit.canonical import document_bytes

from policy_engine.catalog import HardwareClaim
from policy_engine.claims import claim_of
from policy_engine.facts import declared_facts
from policy_engine.fleet.columns import HARDWARE, MIN_SCORES, ROW, declared, evidence_column
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import EvidenceStatus, TaskCase
from policy_engine.model.waiver import Waiver
from policy_engine.model.workload import Hardware, Workload

#: Grades of evidence as the frame has them: none, then from the weakest to the strongest.
GRADE_OF = dict(enumerate(EVIDENCE_GRADES, start=1))
_NUMBER_OF = {grade: number for number, grade in GRADE_OF.items()}

DTYPES: Mapping[str, Any] = {
    "bool": pl.Boolean,
    "int": pl.Int64,
    "double": pl.Float64,
    "string": pl.String,
    "object": pl.String,
    "list<string>": pl.List(pl.String),
}


def canonical_schema(policy: Policy) -> dict[str, Any]:
    """Return the columns of the frame with their Polars types, in order."""
    found: dict[str, Any] = {ROW: pl.UInt64}
    found |= {name: DTYPES[fact.type] for name, fact in declared(policy).items()}
    found |= {MIN_SCORES: pl.String, HARDWARE: pl.String}
    found |= {evidence_column(name): pl.UInt8 for name in policy.vocabulary.evidence}
    return found


def rows_of(
    workload: Workload, evidence: Mapping[str, EvidenceStatus], policy: Policy, first: int = 0
) -> list[dict[str, Any]]:
    """Return the rows of the frame that a workload makes, a task each, numbered from `first`.

    `evidence` is as it was checked for the time of the decision; what a checked proof says beside its grade is lost.
    """
    names, defaults = declared(policy), policy.vocabulary.custom_defaults
    grades = dict.fromkeys(policy.vocabulary.evidence, 0)
    grades |= {name: _NUMBER_OF[each.grade] for name, each in evidence.items() if each.problem is None}
    shared: dict[str, Any] = {evidence_column(name): grade for name, grade in grades.items()}
    shared[HARDWARE] = hardware_text(workload.spec.hardware)
    found = []
    for number, task in enumerate(workload.spec.tasks):
        facts = declared_facts(workload, task, defaults)
        facts.setdefault("task.share", task.share)
        row = {ROW: first + number} | {name: facts.get(name) for name in names} | shared
        found.append(row | {MIN_SCORES: None if task.min_scores is None else json_text(task.min_scores)})
    return found


def frame_of(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the frame of rows as `rows_of` gives them; columns of `schema` that a row lacks are null."""
    # by name: of a list of series Polars would name the one that has an empty name anew
    return pl.DataFrame({name: pl.Series([row.get(name) for row in rows], dtype=kind) for name, kind in schema.items()})


def case_of(row: Mapping[str, Any], policy: Policy, at: datetime, waivers: Sequence[Waiver] = ()) -> TaskCase:
    """Return what the task of a row of the frame is decided on, one by one; `waivers` are those on its workload."""
    facts = {name: row[name] for name in declared(policy) if row[name] is not None}
    grades = {name: row[evidence_column(name)] for name in policy.vocabulary.evidence}
    evidence = {name: EvidenceStatus(name, GRADE_OF[grade]) for name, grade in grades.items() if grade}
    floors = None if row[MIN_SCORES] is None else orjson.loads(row[MIN_SCORES])
    claim = _claim(row[HARDWARE])
    place = row["workload.namespace"]
    return TaskCase(facts, floors, claim, evidence, place, at, tuple(waivers))


@lru_cache(maxsize=1 << 10)
def _claim(text: str | None) -> HardwareClaim | None:
    """Return the claim that the frame holds as text; a fleet has few, and each is read once."""
    return claim_of(Hardware.model_validate_json(text)) if text is not None else None


def hardware_text(hardware: Hardware | None) -> str | None:
    """Return the claim as the frame holds it: canonical JSON of what was given, nulls included."""
    return None if hardware is None else json_text(hardware.model_dump(mode="json", exclude_unset=True))


def json_text(value: Any) -> str:
    """Return the canonical JSON of a value (RFC 8785)."""
    return document_bytes(value).decode()
