"""Reports of everything: the timeline of an incident, what is held of a person, and the integrity certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from policy_audit.entry import EntryType

from policy_engine.errors import Problem, UsageError
from policy_engine.reports.asking import AS_RECORDED, CLOCK, Asked, brief, text
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import StoredEntry

#: What of a body no line holds: a rotation's signed statement, a verification's steps.
_LONG = frozenset({"statement", "steps", "findings"})
_ENTRY, _RECORDED = Column("entry", "entry"), Column("recorded_at", "time")


def incident(asked: Asked) -> Report:
    """Return all that was recorded in a period, or of a workload with what was done to the whole ledger meanwhile."""
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        Column("namespace"),
        Column("workload"),
        Column("what"),
        Column("actor", personal=True),
    )
    rows: list[Sequence[Cell]] = []
    for entry in _timeline(asked):
        document = entry.document
        view, context = document.get("view", {}), document["context"]
        where = tuple(text(view.get(name) or context.get(name)) for name in ("namespace", "workload"))
        if view:
            what = f"{view['verdict']} for {view.get('purpose') or 'no purpose'} under {view['policy_digest']}"
        else:
            what = brief({key: value for key, value in document["body"].items() if key not in _LONG})
        rows.append((entry.index, entry.recorded_at, entry.type, *where, what, asked.persons.one(entry, "actor")))
    return asked.answer(
        "entries of every type; with a workload, those about it and those about the whole ledger",
        "entries",
        columns,
        rows,
        remarks=(CLOCK, AS_RECORDED),
    )


def _timeline(asked: Asked) -> Iterator[StoredEntry]:
    query = asked.query
    if query.namespace is None and query.workload is None:
        yield from asked.entries()
        return
    others = [str(kind) for kind in EntryType if kind != EntryType.DECISION]
    found = {each.row.index: each.stored for each in asked.select().all(newest=False)}
    for entry in asked.entries(*others):
        context = entry.document["context"]
        wanted = (("namespace", query.namespace), ("workload", query.workload))
        if all(value is None or context.get(name) in (None, value) for name, value in wanted):
            found[entry.index] = entry
    for index in sorted(found):
        yield found[index]


def access(asked: Asked) -> Report:
    """Return every value that the ledger holds of a person."""
    person = asked.given.get("subject")
    if not person:
        raise UsageError(Problem("usage", "this report is about a person", help="name them with `--subject PERSON`"))
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        Column("field"),
        Column("value", personal=True),
        Column("namespace"),
        Column("workload"),
        Column("verdict"),
    )
    rows: list[Sequence[Cell]] = []
    for each in asked.snapshot.values_of_subject(person):
        entry, document = each.entry, each.entry.document
        view, context = document.get("view", {}), document["context"]
        about = tuple(text(view.get(name) or context.get(name)) for name in ("namespace", "workload"))
        value = "(altered)" if each.altered else each.value
        rows.append((entry.index, entry.recorded_at, entry.type, each.name, value, *about, text(view.get("verdict"))))
    return asked.answer(
        "personal values that are one person's, as a whole, whatever their case and outer blanks",
        "personal values",
        columns,
        rows,
        remarks=(
            "What was erased, or disposed of, is not found by a person any more: `policy audit report erasures`.",
            "Text in documents and reasons is not searched: personal values do not belong there.",
            AS_RECORDED,
        ),
    )


def integrity(asked: Asked) -> Report:
    """Return a verification of all that the snapshot holds, step by step."""
    keys: list[str] = list(asked.given.get("vkeys") or ())
    own = asked.given.get("own_key")
    pinned = keys or ([own] if own else [])
    if not pinned:
        raise UsageError(
            Problem("no-verifier-key", "nothing to verify against", help="give the pinned key: --vkey KEY")
        )
    origin = asked.given.get("origin") or pinned[0].partition("+")[0]
    kept: list[str] = list(asked.given.get("kept") or ())
    found = asked.snapshot.verify(pinned, origin, kept, asked.given.get("progress"))
    columns = (
        Column("step", "count"),
        Column("name"),
        Column("what"),
        Column("result"),
        Column("checked", "count"),
        Column("problems", "count"),
        Column("first_problem"),
        Column("first_entry", "entry"),
    )
    rows = [
        (
            step.number,
            step.name,
            step.title,
            step.status,
            step.checked,
            step.problems,
            step.first_problem,
            step.first_index,
        )
        for step in found.steps
    ]
    whose = "a key that was given" if keys else "the operator's own key, beside the ledger"
    remarks = [f"Verified against {whose}, for the origin `{origin}`, and {len(kept)} kept checkpoints."]
    if not kept:
        remarks.append("Nothing kept was given: a dropped tail or an older copy is found only with --kept.")
    return asked.answer(
        "a verification of every row of the ledger",
        "entries verified",
        columns,
        rows,
        population=found.entries,
        summary=(("verified", found.ok), ("size", found.size), ("root", found.root)),
        remarks=(
            *remarks,
            *(f"{step.name}: {step.note}" for step in found.steps if step.note),
            *found.findings,
            "That an input was truthful, or that every decision was recorded, no verification shows.",
        ),
        ok=found.ok,
    )
