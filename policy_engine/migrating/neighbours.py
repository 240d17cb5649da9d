"""Other workloads of a namespace that a proven migration could be applied to next, by their decisions on record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.errors import AuditError

if TYPE_CHECKING:
    from policy_audit.snapshot import Snapshot

_MOST = 200


class OtherWorkload(Struct, frozen=True):
    """Another workload of the namespace: its latest decision on record, and its workhorse tasks on a closed model."""

    workload: str
    index: int
    tasks: tuple[str, ...]


def others(snapshot: Snapshot, identity: str) -> tuple[OtherWorkload, ...]:
    """Return the others of the namespace with workhorse tasks that are decided to stay on a closed model."""
    namespace, _, name = identity.partition("/")
    rows = [row for row in snapshot.latest(namespace=namespace) if row.workload != name][:_MOST]
    found = []
    for checked in snapshot.checked(rows):
        row = checked.row
        tasks = tuple(_tasks(_document(snapshot, row.decision_id)))
        if tasks:
            found.append(OtherWorkload(f"{row.namespace}/{row.workload}", row.index, tasks))
    return tuple(found)


def _document(snapshot: Snapshot, decision: str) -> Mapping[str, Any]:
    """Return a decision; what was disposed of, or is none, says nothing."""
    try:
        found = json.loads(snapshot.blob(f"sha256:{decision}"))
    except (AuditError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tasks(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the workhorse tasks that a decision leaves on a closed model."""
    tasks = document.get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        if not isinstance(task, dict) or task.get("judged_option") != "proprietary_api":
            continue
        rules = task.get("rules")
        facts = [row.get("facts") for row in rules if isinstance(row, dict)] if isinstance(rules, list) else []
        classes = [each.get("task.class") for each in facts if isinstance(each, dict)]
        if any(isinstance(each, dict) and each.get("value") == "workhorse" for each in classes):
            yield str(task.get("name"))
