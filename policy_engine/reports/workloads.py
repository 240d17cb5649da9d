"""Reports of workloads: what is in use, and what is past its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from policy_audit.view import instant

from policy_engine.reports.asking import COLUMNS_ALONE, Asked
from policy_engine.reports.documents import tags
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import StoredDecision
    from policy_audit.snapshot import Snapshot

_WHO = (Column("namespace"), Column("workload"), Column("owner", personal=True))


def governing(asked: Asked) -> list[StoredDecision]:
    """Return the decision that counts for each workload: the last one made for deploying, else the last one."""
    return [counts for counts, _ in standing(asked.snapshot, asked.query.namespace, asked.query.workload)]


def standing(
    snapshot: Snapshot, namespace: str | None = None, workload: str | None = None
) -> list[tuple[StoredDecision, StoredDecision]]:
    """Return for each workload the decision that counts and the last one, whatever that was made for."""
    names = {"namespace": namespace, "workload": workload}
    last = {(row.namespace, row.workload): row for row in snapshot.latest(**names)}
    deployed = {(row.namespace, row.workload): row for row in snapshot.latest(**names, purpose="deploy")}
    return [(deployed.get(key, last[key]), last[key]) for key in sorted(last)]


def models(asked: Asked) -> Report:
    """Return the model and deployment that each workload was last decided for."""
    columns = (
        *_WHO,
        Column("models", "list"),
        Column("deployments", "list"),
        Column("verdict"),
        Column("purpose"),
        Column("entry", "entry"),
        Column("recorded_at", "time"),
        Column("valid_until", "time"),
        Column("expired", "flag"),
    )
    now = instant(asked.second)
    rows: list[Sequence[Cell]] = []
    for each in asked.checked(governing(asked)):
        row, found = each.row, tags(asked.snapshot, each)
        chosen = (tuple(sorted(found.get(kind, ()))) for kind in ("model", "deployment"))
        expired = row.valid_until is not None and row.valid_until < now
        when = (row.verdict, row.purpose, row.index, row.recorded_at, row.valid_until, expired)
        rows.append((row.namespace, row.workload, asked.persons.one(each.stored, "owner"), *chosen, *when))
    return asked.answer(
        "for each workload the last decision for deploying, else its last one, and the model that it is on",
        "workloads",
        columns,
        rows,
        remarks=(COLUMNS_ALONE, "What was decided, and not what runs: `policy audit reconcile` compares the two."),
    )


def expired(asked: Asked) -> Report:
    """Return workloads whose decision has run out, and was not made again."""
    now, at = instant(asked.second), asked.at.astimezone(UTC)
    late = [row for row in governing(asked) if row.valid_until is not None and row.valid_until < now]
    columns = (
        Column("entry", "entry"),
        Column("recorded_at", "time"),
        *_WHO,
        Column("verdict"),
        Column("purpose"),
        Column("valid_until", "time"),
        Column("days_past", "count"),
    )
    rows: list[Sequence[Cell]] = []
    for each in asked.checked(late):
        row = each.row
        past = (at - datetime.fromisoformat(str(row.valid_until))).days
        who = (row.namespace, row.workload, asked.persons.one(each.stored, "owner"))
        rows.append((row.index, row.recorded_at, *who, row.verdict, row.purpose, row.valid_until, past))
    return asked.answer(
        f"workloads whose decision was not valid any more {asked.when}; the last for deploying counts, else the last",
        "workloads",
        columns,
        rows,
        remarks=(COLUMNS_ALONE, "`policy audit list --expired` lists every decision that has run out, renewed or not."),
    )
