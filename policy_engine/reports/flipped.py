"""The report of workloads that were denied and then allowed: everything on record that differs between the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policy_audit.view import instant

from policy_engine.model.task_case import ALLOWING
from policy_engine.model.workload_paths import fact_name
from policy_engine.reports.asking import AS_RECORDED, COLUMNS_ALONE, Asked, brief_json
from policy_engine.reports.documents import document
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision, StoredDecision
    from policy_audit.snapshot import Snapshot

FACTS, WAIVER, POLICY, CATALOG, EVIDENCE, ENGINE = "facts", "waiver", "policy", "catalog", "evidence", "engine"
#: What stands in the workload's file and no rule reads as a fact: labels, and whether there is an owner.
METADATA = "metadata"
TIME = "nothing but the time"
GONE = "documents gone"
KINDS = (FACTS, WAIVER, POLICY, CATALOG, EVIDENCE, ENGINE, METADATA, TIME, GONE)
_MOST_DEPTH = 40
_ABSENT = object()
_COLUMNS = (
    Column("denied_entry", "entry"),
    Column("allowed_entry", "entry"),
    Column("denied_at", "time"),
    Column("allowed_at", "time"),
    Column("namespace"),
    Column("workload"),
    Column("owner", personal=True),
    Column("changed", "list"),
    Column("change"),
    Column("fact"),
    Column("before"),
    Column("after"),
    Column("rules_that_read_it", "list"),
)


@dataclass(frozen=True)
class Change:
    """One thing that differs: of which of `KINDS`, the fact's path where it is one, and both values in words."""

    kind: str
    fact: str | None = None
    before: str | None = None
    after: str | None = None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of the two decisions, with its documents; None for one that was disposed of."""

    made: CheckedDecision
    workload: dict[str, Any] | None
    decided: dict[str, Any] | None


def flipped_facts(asked: Asked) -> Report:
    """Return workloads that were denied and then allowed, with all that changed between the two decisions."""
    rows: list[Sequence[Cell]] = []
    flips = 0
    count = dict.fromkeys(KINDS, 0)
    for denied, allowed in _flips(asked):
        flips += 1
        found = list(changes(*(side_of(asked.snapshot, each) for each in (denied, allowed))))
        kinds = tuple(kind for kind in KINDS if any(each.kind == kind for each in found))
        for kind in kinds:
            count[kind] += 1
        head = (denied.row.index, allowed.row.index, denied.row.recorded_at, allowed.row.recorded_at)
        who = (denied.row.namespace, denied.row.workload, asked.persons.one(allowed.stored, "owner"))
        told = ((each.kind, each.fact, each.before, each.after, each.rules) for each in found)
        rows += [(*head, *who, kinds, *each) for each in told]
    return asked.answer(
        "workloads whose decision was deny, and whose next allow lies in the period; with all that changed meanwhile",
        "denials that were followed by an allow",
        _COLUMNS,
        rows,
        population=flips,
        summary=(("rows", len(rows)), *((f"with {kind}" if kind != GONE else kind, count[kind]) for kind in KINDS)),
        remarks=(
            COLUMNS_ALONE,
            "A row for each thing that changed; `changed` names all kinds of it. Where several did, nothing here says "
            "which of them turned the verdict: `policy audit replay` decides the same workload under other rules.",
            "`rules_that_read_it` are the rules that fired or were indeterminate in the denial and read the fact; what "
            "is computed of a fact, such as a cost, is not traced back to it.",
            "A denial before the period counts. That a fact was changed does not say that it was false before or "
            "after.",
            AS_RECORDED,
        ),
    )


def _flips(asked: Asked) -> Iterator[tuple[CheckedDecision, CheckedDecision]]:
    """Yield each last denial with the allow that followed it, in the order of the allows."""
    denied: dict[tuple[str, str], StoredDecision] = {}
    pairs = []
    since = instant(asked.query.since) if asked.query.since is not None else ""
    for row in asked.select(verdicts=("deny", *ALLOWING), since=None).rows():
        key = (row.namespace, row.workload)
        if row.verdict == "deny":
            denied[key] = row
        elif key in denied:
            pair = (denied.pop(key), row)
            pairs += [pair] if row.recorded_at >= since else []
    both = asked.checked(row for pair in pairs for row in pair)
    for first in both:
        yield first, next(both)


def side_of(snapshot: Snapshot, made: CheckedDecision) -> Side:
    """Return a decision with its documents."""
    return Side(made, *(document(snapshot, made, role) for role in ("workload", "decision")))


def changes(denied: Side, allowed: Side) -> Iterator[Change]:
    """Yield all that differs between a decision and a later one on the same workload.

    `TIME` alone where nothing does, and `GONE` where that cannot be told.
    """
    found = [*_of_workload(denied, allowed), *_of_policy(denied, allowed)]
    whole = None not in (denied.workload, allowed.workload, denied.decided, allowed.decided)
    if denied.decided is not None and allowed.decided is not None:
        found += [*_of_waivers(denied.decided, allowed.decided), *_of_evidence(denied.decided, allowed.decided, found)]
        old, new = (brief_json(each.get("engine")) for each in (denied.decided, allowed.decided))
        found += [Change(ENGINE, None, old, new)] if old != new else []
    if not whole:
        found.append(_gone(denied, allowed))
    yield from found or [Change(TIME)]


def _gone(denied: Side, allowed: Side) -> Change:
    """Say that documents are gone, and where it is on record that the workloads' files were not the same."""
    before, after = (each.made.row.workload_digest for each in (denied, allowed))
    return Change(GONE, None, before, after) if before != after else Change(GONE)


def _of_policy(denied: Side, allowed: Side) -> Iterator[Change]:
    for kind, name in ((POLICY, "policy_digest"), (CATALOG, "catalog_digest")):
        before, after = (getattr(each.made.row, name) for each in (denied, allowed))
        if before != after:
            yield Change(kind, None, before, after)


def _of_workload(denied: Side, allowed: Side) -> Iterator[Change]:
    """Yield what differs in the workloads' files: facts, evidence that they name, and what no rule reads."""
    if denied.workload is None or allowed.workload is None:
        return
    readers = _readers(denied.decided or {})
    for path, before, after in _differences(denied.workload, allowed.workload):
        name = "".join(step if step.startswith("[") else f".{step}" for step in path).removeprefix(".")
        shape = tuple(step for step in path if not step.startswith("["))
        if path[0] != "spec":
            yield Change(METADATA, name, before, after)
        elif path[:2] == ("spec", "evidence"):
            yield Change(EVIDENCE, name, before, after)
        else:
            yield Change(FACTS, name, before, after, tuple(sorted(readers.get(fact_name(shape), ()))))


def _of_waivers(denied: Mapping[str, Any], allowed: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the waivers that lifted something in one of the decisions and not in the other."""
    before, after = _lifting(denied), _lifting(allowed)
    for key in sorted(before.keys() ^ after.keys()):
        rule = (str((before.get(key) or after[key]).get("rule")),)
        yield Change(WAIVER, None, before.get(key, {}).get("text"), after.get(key, {}).get("text"), rule)


def _lifting(decided: Mapping[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for task in _tasks(decided):
        for each in task.get("waivers", ()):
            if each.get("applies") is True:
                where = (str(task.get("name")), str(each.get("on")), str(each.get("option")))
                text = f"{str(each.get('id'))[:16]} lifts {each.get('rule')} on {where[2]}"
                until = f" until {each.get('valid_until')}, task {where[0]}"
                found[(str(each.get("id")), *where)] = {"rule": each.get("rule"), "text": text + until}
    return found


def _of_evidence(denied: Mapping[str, Any], allowed: Mapping[str, Any], found: Sequence[Change]) -> Iterator[Change]:
    """Yield the evidence that was found otherwise, though the file names it as before: it expired, or was signed."""
    told = {name for each in found if each.kind == EVIDENCE for name in (each.fact or "").split(".")[2:3]}
    before, after = (value if isinstance(value := each.get("evidence"), Mapping) else {} for each in (denied, allowed))
    for name in sorted((before.keys() | after.keys()) - told):
        if before.get(name) != after.get(name):
            old, new = (_told(each.get(name, _ABSENT)) for each in (before, after))
            yield Change(EVIDENCE, f"evidence.{name}", old, new)


def _differences(
    before: Any, after: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str | None, str | None]]:
    """Yield path, old and new value of all that two workloads differ in; tasks are matched by their names.

    What one of them has and the other has not is told value by value too: a rule reads values, not sections.
    """
    if before == after:
        return
    old, new = _members(before), _members(after)
    if len(path) > _MOST_DEPTH or not (_opens(old, before, new) and _opens(new, after, old)):
        yield path or ("spec",), _told(before), _told(after)
        return
    old, new = old or {}, new or {}
    for name in sorted(old.keys() | new.keys()):
        yield from _differences(old.get(name, _ABSENT), new.get(name, _ABSENT), (*path, name))


def _opens(own: object, value: Any, other: object) -> bool:
    """Whether a value has members to be looked at, or is not there where the other one has some."""
    return own is not None or (other is not None and (value is _ABSENT or value is None))


def _members(value: Any) -> dict[str, Any] | None:
    """Return the members of an object, or of a list of objects by their names; None for any other value."""
    if isinstance(value, Mapping):
        return dict(value)
    if (
        isinstance(value, list)
        and value
        and all(isinstance(e, Mapping) and isinstance(e.get("name"), str) for e in value)
    ):
        return {f"[{item['name']}]": item for item in value}
    return None


def _told(value: Any) -> str | None:
    return None if value is _ABSENT else brief_json(value)


def _tasks(decided: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    tasks = decided.get("tasks")
    yield from (task for task in tasks if isinstance(task, Mapping)) if isinstance(tasks, list) else ()


def _readers(decided: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return which rules acted in a decision on each fact."""
    found: dict[str, set[str]] = {}
    for task in _tasks(decided):
        for row in task.get("rules", ()):
            if row.get("outcome") != "not_fired":
                for name in (*row.get("facts", ()), *row.get("missing", ())):
                    if isinstance(name, str):
                        found.setdefault(name, set()).add(str(row.get("id")))
    return found
