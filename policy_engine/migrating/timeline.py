"""How long a migration takes, against what is planned and when it has to be done (OPS-06)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from policy_engine.migrating.item import State
from policy_engine.wording import value_text

_DAYS_PER_WEEK = 7
#: The phases in quarters of the time, each with the steps of the playbook that it is for.
PHASES = (
    ("audit and test set-up", (1, 2)),
    ("parallel evaluation", (3,)),
    ("non-critical migration", (4,)),
    ("optimisation and scaling", (5,)),
)


class Phase(Struct, frozen=True):
    """A part of the time: from the beginning of a week to the end of one, counted from 0."""

    title: str
    steps: tuple[int, ...]
    from_week: float
    to_week: float


class Timeline(Struct, frozen=True):
    """Weeks that a migration usually takes, that are planned, and that are left until the deadline; None is unknown."""

    usual_weeks: tuple[float, float]
    planned_weeks: float | None
    deadline_weeks: float | None
    state: State
    facts: tuple[tuple[str, str], ...]
    action: str | None
    problems: tuple[str, ...]

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of the time that is planned; where it is not known, of the longest usual one."""
        weeks = self.planned_weeks if self.planned_weeks is not None else self.usual_weeks[1]
        part = weeks / len(PHASES)
        return tuple(
            Phase(title, steps, at * part, (at + 1) * part) for at, (title, steps) in enumerate(PHASES) if weeks > 0
        )


def timeline_of(facts: Mapping[str, Any], parameters: Mapping[str, Any]) -> Timeline:
    """Return the timeline of a workload, by its facts."""
    low, high = float(parameters["migration_weeks_min"]), float(parameters["migration_weeks_max"])
    planned, days = facts.get("migration.weeks_planned"), facts.get("workload.deploy_within_days")
    left = None if days is None else days / _DAYS_PER_WEEK
    said = []
    if planned is not None:
        said.append(("migration.weeks_planned", f"{value_text(planned)} weeks"))
    if days is not None:
        said.append(("workload.deploy_within_days", f"{value_text(days)} days, or {left:.1f} weeks"))
    problems = []
    if planned is not None and planned < low:
        problems.append(f"{value_text(planned)} weeks are fewer than the {low:g} to {high:g} that one usually takes")
    if planned is not None and left is not None and left < planned:
        problems.append(f"the deadline is {left:.1f} weeks away, before the {value_text(planned)} planned are over")
    if planned is None and left is not None and left < low:
        problems.append(f"the deadline is {left:.1f} weeks away, and a migration takes {low:g} to {high:g}")
    state: State = "missing" if planned is None or problems else "done"
    return Timeline((low, high), planned, left, state, tuple(said), _action(planned, problems, low), tuple(problems))


def _action(planned: float | None, problems: list[str], low: float) -> str | None:
    if problems:
        return f"plan anew, `migration.weeks_planned` and `deploy_within_days`: {'; '.join(problems)}"
    return f"write `migration.weeks_planned`, {low:g} or more" if planned is None else None
