"""Workloads as rows of the canonical frame, and a decision's document beside the findings of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from policy_audit.canonical import document_bytes

from policy_engine.decide import Decider
from policy_engine.fleet.columns import HARDWARE, MASKS, MIN_SCORES, FleetIndex, declared, evidence_column, masked
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_polars import TYPES
from policy_engine.model.decision import Decision
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import EvidenceStatus, TaskCase, TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import Workload

Row = dict[str, Any]


def rows_of(policy: Policy, workload: Workload, cases: Sequence[TaskCase]) -> list[Row]:
    """Return a row for each task of `workload`, but for its number."""
    claim = workload.spec.hardware
    hardware = None if claim is None else json.dumps(claim.model_dump(exclude_unset=True))
    found = []
    for case in cases:
        row = {name: case.facts.get(name) for name in declared(policy)}
        row[MIN_SCORES] = None if case.min_scores is None else document_bytes(case.min_scores).decode()
        row[HARDWARE] = hardware
        row |= {evidence_column(name): grade_of(case.evidence.get(name)) for name in policy.vocabulary.evidence}
        found.append(row)
    return found


def grade_of(status: EvidenceStatus | None) -> int:
    return 0 if status is None or status.problem is not None else 1 + EVIDENCE_GRADES.index(status.grade)


def schema_of(policy: Policy) -> dict[str, Any]:
    """Return the canonical frame's columns with their types."""
    return {
        "row": pl.UInt64(),
        **{name: TYPES[fact.type] for name, fact in declared(policy).items()},
        MIN_SCORES: pl.String(),
        HARDWARE: pl.String(),
        **{evidence_column(name): pl.UInt8() for name in policy.vocabulary.evidence},
    }


def frame_of(policy: Policy, rows: Iterable[Row]) -> pl.DataFrame:
    """Return the canonical frame of `rows`."""
    numbered = [{**row, "row": number} for number, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=schema_of(policy), orient="row")


def case_of(row: Row, at: datetime) -> TaskCase:
    """Return the case that a row of the canonical frame stands for."""
    evidence = {}
    for name, grade in row.items():
        if name.startswith("evidence.") and grade:
            piece = name.removeprefix("evidence.")
            evidence[piece] = EvidenceStatus(piece, EVIDENCE_GRADES[grade - 1])
    floors = row[MIN_SCORES]
    others = ("row", MIN_SCORES, HARDWARE)
    facts = {
        name: value
        for name, value in row.items()
        if value is not None and name not in others and not name.startswith("evidence.")
    }
    place = row["workload.namespace"]
    return TaskCase(facts, None if floors is None else json.loads(floors), None, evidence, place, at)


def expected(decision: Decision, index: FleetIndex) -> list[Row]:
    """Return what the findings have to say of each task of `decision`."""
    return [
        _task(document, result.fallback_verdict, index)
        for document, result in zip(decision.document["tasks"], decision.results, strict=True)
    ]


def wanted(decider: Decider, result: TaskResult, index: FleetIndex) -> Row:
    """Return what the findings have to say of one task."""
    return _task(decider.as_it_is(result), result.fallback_verdict, index)


def _task(document: Mapping[str, Any], fallback: str | None, index: FleetIndex) -> Row:
    recommended = document["recommendation"] or {}
    provisional = recommended.get("provisional", False)
    named = recommended.get("deployment")
    row: Row = {
        "verdict": document["verdict"],
        "judged": document["judged_option"],
        "recommendation": None if provisional else named,
        "provisional": named if provisional else None,
        "firm": recommended.get("firm", False),
        "model": recommended.get("model"),
        "monthly_usd": recommended.get("monthly_usd"),
        "cheapest": document["cheapest"],
        "fallback_verdict": fallback,
        "conflict": False,
    }
    for option, found in zip(OPTIONS, document["options"], strict=True):
        row[f"status.{option}"], row[f"score.{option}"] = found["status"], found["score"]
        row[f"score_low.{option}"], row[f"score_high.{option}"] = found["score_range"]
        row[f"monthly_usd.{option}"] = found["monthly_usd"]
    outcomes = {rule["id"]: rule["outcome"] for rule in document["rules"]}
    row["fired"] = {name for name in index.rules if outcomes[name] == "fired"}
    row["indeterminate"] = {name for name in index.rules if outcomes[name] == "indeterminate"}
    row["missing"] = set(document["missing_facts"])
    for status in ("outstanding", "uncertain"):
        row[status] = {each["evidence"] for each in document["obligations"] if each["status"] == status}
    return row


def said(row: Row, index: FleetIndex) -> Row:
    """Return a row of the findings in the same form."""
    words = {column for mask in MASKS for column in index.columns(mask)}
    found = {name: value for name, value in row.items() if name not in words}
    return found | {mask: set(masked(row, index, mask)) for mask in MASKS}


def differences(wanted: Row, found: Row) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by column: what is wanted, and what is found."""
    return {name: (value, found[name]) for name, value in wanted.items() if not _same(value, found[name])}


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
