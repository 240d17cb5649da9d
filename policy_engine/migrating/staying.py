"""When to stay with a closed model, and when to switch: which published conditions hold, by the rules (SYS-08)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from policy_engine.migrating.case import Case, TaskView

Side = Literal["stay", "switch"]
#: The criteria on each side, in the order in which the framework names its conditions.
CONDITIONS: tuple[tuple[Side, tuple[str, ...]], ...] = (
    ("stay", ("TASK-02", "LAT-03", "OPS-01", "TASK-07")),
    ("switch", ("COST-11", "COST-12", "CUSTOM-01", "DATA-01", "DATA-02", "VENDOR-01")),
)


class Condition(Struct, frozen=True):
    """A condition for one task: `holds` is the outcome of its rules, None where it is not known."""

    task: str
    side: Side
    criterion: str
    title: str
    holds: bool | None
    rules: tuple[str, ...]
    missing: tuple[str, ...]


def conditions(case: Case) -> list[Condition]:
    """Return the conditions for each task; a criterion that no rule in force encodes is left out."""
    titles = case.decider.policy.rules.criteria
    return [
        found
        for task in case.tasks
        for side, criteria in CONDITIONS
        for criterion in criteria
        if (found := _condition(case, task, side, criterion, titles.get(criterion, criterion))) is not None
    ]


def _condition(case: Case, task: TaskView, side: Side, criterion: str, title: str) -> Condition | None:
    rows = list(case.rows(criterion, task))
    if not rows:
        return None
    outcomes = [row["outcome"] for row in rows]
    holds = True if "fired" in outcomes else (None if "indeterminate" in outcomes else False)
    acting = [row for row in rows if row["outcome"] == "fired"] or rows
    missing = sorted({name for row in rows for name in row["missing"]}) if holds is None else []
    return Condition(task.name, side, criterion, title, holds, tuple(row["id"] for row in acting), tuple(missing))
