"""Reports of workloads: what is in use, what is past its time, and what was denied until its facts changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from policy_audit.view import instant

from policy_engine.reports.asking import AS_RECORDED, COLUMNS_ALONE, Asked, brief_json
from policy_engine.reports.documents import document, tags
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision, StoredDecision

ALLOWED = ("allow", "allow_with_conditions")
_WHO = (Column("namespace"), Column("workload"), Column("owner", personal=True))
_MOST_DEPTH = 40


def governing(asked: Asked) -> list[StoredDecision]:
    """Return the decision that counts for each workload: the last one made for deploying, else the last one."""
    names = {"namespace": asked.query.namespace, "workload": asked.query.workload}
    found = {(row.namespace, row.workload): row for row in asked.snapshot.latest(**names)}
    found |= {(row.namespace, row.workload): row for row in asked.snapshot.latest(**names, purpose="deploy")}
    return [found[key] for key in sorted(found)]


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
    now = instant(asked.at)
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
    now, at = instant(asked.at), asked.at.astimezone(UTC)
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


def flipped_facts(asked: Asked) -> Report:
    """Return workloads that were denied and then allowed, with what changed between the two decisions."""
    columns = (
        Column("denied_entry", "entry"),
        Column("allowed_entry", "entry"),
        Column("denied_at", "time"),
        Column("allowed_at", "time"),
        *_WHO,
        Column("changed", "list"),
        Column("fact"),
        Column("before"),
        Column("after"),
        Column("rules_that_read_it", "list"),
    )
    rows: list[Sequence[Cell]] = []
    flips = by_facts = unreadable = 0
    for denied, allowed in _flips(asked):
        flips += 1
        changed = _changed(denied, allowed)
        head = (denied.row.index, allowed.row.index, denied.row.recorded_at, allowed.row.recorded_at)
        who = (denied.row.namespace, denied.row.workload, asked.persons.one(allowed.stored, "owner"))
        before, after = (document(asked.snapshot, each, "workload") for each in (denied, allowed))
        if before is None or after is None:
            unreadable += 1
            rows.append((*head, *who, (*changed, "documents gone"), None, None, None, ()))
            continue
        facts = list(_differences(before, after))
        by_facts += bool(facts)
        readers = _readers(asked, denied)
        for name, old, new in facts:
            rows.append((*head, *who, changed, name, old, new, tuple(sorted(readers.get(_fact(name), ())))))
        if not facts:
            rows.append((*head, *who, changed, None, None, None, ()))
    return asked.answer(
        "workloads whose decision was deny, and whose next allow followed with other facts, policy or catalog",
        "denials that were followed by an allow",
        columns,
        rows,
        population=flips,
        summary=(("with changed facts", by_facts), ("documents gone", unreadable)),
        remarks=(
            COLUMNS_ALONE,
            "A row for each declared fact that changed; a flip without any has one row, and `changed` says what did.",
            "`rules_that_read_it` are the rules that fired or were indeterminate in the denial and read the fact.",
            "That a fact was changed does not say that it was false before or after.",
            AS_RECORDED,
        ),
    )


def _flips(asked: Asked) -> Iterator[tuple[CheckedDecision, CheckedDecision]]:
    """Yield each last denial with the allow that followed it, in the order of the allows."""
    denied: dict[tuple[str, str], StoredDecision] = {}
    pairs = []
    for row in asked.select(verdicts=("deny", *ALLOWED)).rows():
        key = (row.namespace, row.workload)
        if row.verdict == "deny":
            denied[key] = row
        elif key in denied:
            pairs.append((denied.pop(key), row))
    both = asked.checked(row for pair in pairs for row in pair)
    for first in both:
        yield first, next(both)


def _changed(denied: CheckedDecision, allowed: CheckedDecision) -> tuple[str, ...]:
    names = (("facts", "workload_digest"), ("policy", "policy_digest"), ("catalog", "catalog_digest"))
    found = [word for word, name in names if getattr(denied.row, name) != getattr(allowed.row, name)]
    return tuple(found or ["neither facts nor policy nor catalog: time, evidence or a waiver"])


def _differences(
    before: Any, after: Any, path: str = "", depth: int = 0
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield path, old and new value of everything that two workloads differ in; tasks are matched by their names."""
    if before == after:
        return
    both = isinstance(before, Mapping) and isinstance(after, Mapping)
    if not both and _named(before) and _named(after):
        before, after, both = _by_name(before), _by_name(after), True
    if not both or depth > _MOST_DEPTH:
        yield path, _told(before), _told(after)
        return
    for name in sorted(before.keys() | after.keys()):
        inner = name if not path else f"{path}{name}" if name.startswith("[") else f"{path}.{name}"
        yield from _differences(before.get(name, _ABSENT), after.get(name, _ABSENT), inner, depth + 1)


_ABSENT = object()


def _told(value: Any) -> str | None:
    return None if value is _ABSENT else brief_json(value)


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value
    )


def _by_name(value: Any) -> dict[str, Any]:
    return {f"[{item['name']}]": item for item in value}


def _fact(path: str) -> str:
    """Return the name under which rules read what stands at a path of the workload."""
    name = path.removeprefix("spec.")
    return f"task.{name.partition('].')[2]}" if name.startswith("tasks[") else name


def _readers(asked: Asked, denied: CheckedDecision) -> dict[str, set[str]]:
    """Return which rules acted in a decision on each fact."""
    found: dict[str, set[str]] = {}
    decided = document(asked.snapshot, denied, "decision") or {}
    tasks = decided.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        for row in task.get("rules", ()) if isinstance(task, Mapping) else ():
            if row.get("outcome") != "not_fired":
                for name in (*row.get("facts", ()), *row.get("missing", ())):
                    if isinstance(name, str):
                        found.setdefault(name, set()).add(str(row.get("id")))
    return found
