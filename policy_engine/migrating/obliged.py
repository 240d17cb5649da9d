"""Items that evidence shows: the decision's obligations say who asks for it, and whether what there is counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy_engine.evidence_wording import graded_by
from policy_engine.migrating.case import Case, TaskView, silence
from policy_engine.migrating.item import Asks, Ground, Item, State
from policy_engine.model.task_case import ATTESTED
from policy_engine.wording import listed

#: Who asks the strictest, first.
_ORDER = ("mandatory", "waivable", "advisory")
Owed = list[tuple[TaskView, Mapping[str, Any]]]


def evidence_item(case: Case, name: str, title: str, action: str | None = None) -> Item:
    """Return the item that the evidence `name` shows; `action` is what to do where a generic word says too little."""
    owed = owed_of(case, name)
    state, asks = _state(case, name, owed)
    shown = [*_evidence_ground(case, name), *_waiver_grounds(owed)]
    do = None
    if state in ("missing", "overdue", "unknown"):
        duty = owed[0][1] if owed else {"evidence": name, "grade": "asserted"}
        do = (action or f"write `evidence.{name}: {{reference: ...}}`, or a file with its sha256") + _graded(case, duty)
    return Item(name, title, state, asks, tuple(shown), do)


def _graded(case: Case, duty: Mapping[str, Any]) -> str:
    """Name the command for the grade that is asked for; one that records a file, where there is one to record."""
    named = (case.workload.spec.evidence or {}).get(duty["evidence"])
    if duty["grade"] == "recorded" and duty["evidence"] not in ATTESTED and getattr(named, "file", None) is None:
        return " (attach its file, which is to be recorded)"
    command = case.call("").removeprefix("policy  ")
    return graded_by(duty, command)


def owed_of(case: Case, name: str) -> Owed:
    """Return the obligations of this name, by task."""
    return [(task, duty) for task in case.tasks for duty in task.document["obligations"] if duty["evidence"] == name]


def counts(case: Case, name: str) -> bool:
    """Whether there is such evidence, and it counts today."""
    status = case.evidence.get(name)
    return status is not None and status.problem is None


def _state(case: Case, name: str, owed: Owed) -> tuple[State, Asks]:
    if not owed:
        return _unasked(case, name)
    held = [duty for _, duty in owed if not duty.get("waived")]
    asks = _asks(case, owed, held)
    if not held:
        return "not_needed", asks
    if any(duty["status"] == "outstanding" for duty in held):
        return _lacking(case, name), asks
    return ("unknown" if any(duty["status"] == "uncertain" for duty in held) else "done"), asks


def _asks(case: Case, owed: Owed, held: Sequence[Mapping[str, Any]]) -> Asks:
    duties = held or [duty for _, duty in owed]
    rules = tuple(dict.fromkeys(rule for duty in duties for rule in duty["rules"]))
    rows = [row for task, _ in owed for row in task.document["rules"] if row["id"] in rules]
    criteria = tuple(dict.fromkeys(criterion for row in rows for criterion in row["criteria"]))
    strictest = min((str(duty["enforcement"]) for duty in duties), key=_ORDER.index)
    why = next((duty["why"] for duty in duties if duty["status"] != "satisfied"), None)
    tasks = list(dict.fromkeys(task.name for task, _ in owed))
    if len(tasks) < len(case.tasks):
        why = "; ".join(part for part in (why, f"for the tasks {listed(tasks)}") if part)
    return Asks(rules, criteria, strictest, why)


def _unasked(case: Case, name: str) -> tuple[State, Asks]:
    """Judge evidence that no obligation asks for: a rule may not fire here, or not on the option that is judged."""
    asking = [rule.id for rule in case.decider.judge.rules if name in rule.require]
    rows = [row for task in case.tasks for row in task.document["rules"] if row["id"] in asking]
    criteria = tuple(dict.fromkeys(criterion for row in rows for criterion in row["criteria"]))
    ids = tuple(asking)
    if any(task.option is None for task in case.tasks) and any(row["outcome"] != "not_fired" for row in rows):
        return _there(case, name, "unknown"), Asks(ids, criteria, "unknown", "no option is judged for some task")
    if any(row["outcome"] != "not_fired" for row in rows):
        options = listed(list(dict.fromkeys(str(task.option) for task in case.tasks)))
        return "not_needed", Asks(ids, criteria, "none", f"no rule asks for it on {options}")
    silent = silence(rows)
    why = f"no rule asks for it yet: {silent}" if silent else "no rule asks for it"
    return _there(case, name, _lacking(case, name)), Asks(ids, criteria, "none", why)


def _there(case: Case, name: str, otherwise: State) -> State:
    return "done" if counts(case, name) else otherwise


def _lacking(case: Case, name: str) -> State:
    """Say of evidence that does not do whether it once did."""
    status = case.evidence.get(name)
    ended = status is not None and status.valid_until is not None and status.valid_until < case.day
    return "overdue" if ended else "missing"


def _evidence_ground(case: Case, name: str) -> Iterator[Ground]:
    status = case.evidence.get(name)
    if status is None:
        return
    if status.problem is not None:
        yield Ground("evidence", name, f"does not count: {status.problem}")
        return
    named = (case.workload.spec.evidence or {}).get(name)
    if named is None and name == "owner_named":
        yield Ground("fact", "migration.champion", "somebody is named")
        return
    until = min((day for day in (status.valid_until, status.ends) if day is not None), default=None)
    said = f"grade {status.grade}" + (f", counts until {until}" if until is not None else ", without an end")
    yield Ground("evidence", name, said + (f"; {status.short}" if status.short else ""))


def _waiver_grounds(owed: Owed) -> Iterator[Ground]:
    for task, duty in owed:
        if duty.get("waived"):
            yield Ground("waiver", ", ".join(duty["lifted"]), f"lifted for {task.name} by a waiver")
