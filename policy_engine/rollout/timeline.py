"""The weeks of a migration (OPS-06): audit and tests, parallel evaluation, low-risk tasks, then the rest and scaling.

A quarter of the time each, of eight weeks two: within the last two quarters the tasks begin by risk, and each stage
gets its part of the time by how long it takes at least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

from msgspec import Struct

from policy_engine.errors import Problem, UsageError
from policy_engine.rollout.risk import TaskRisk
from policy_engine.rollout.stages import Plan

_NAMES = ("audit and test set-up", "parallel evaluation", "{}-risk tasks first", "other tasks, optimisation, scaling")
_LOW = 2
_HOURS_PER_DAY = 24
_DAYS_PER_WEEK = 7


class Bar(Struct, frozen=True):
    """A part of the timeline, in days from its start."""

    label: str
    first_day: float
    last_day: float


class Phase(Struct, frozen=True):
    """A quarter, with a bar for each stage of each task in it."""

    bar: Bar
    stages: tuple[tuple[str, tuple[Bar, ...]], ...] = ()


class Timeline(Struct, frozen=True):
    """The whole; `weeks_stated` is whether the workload plans them. `short_of` are tasks whose stages take longer."""

    weeks: float
    weeks_stated: bool
    start: date
    phases: tuple[Phase, ...]
    short_of: tuple[str, ...]

    @property
    def days(self) -> float:
        return self.weeks * _DAYS_PER_WEEK

    def day(self, days: float) -> date:
        """Return the date so many days after the start.

        Raises:
            UsageError: no calendar has it.
        """
        try:
            return self.start + timedelta(days=int(days))
        except OverflowError:
            message = f"the timeline ends {self.weeks:g} weeks after {self.start}, beyond the year 9999"
            raise UsageError(Problem("usage", message, help="begin earlier")) from None


def timeline(plan: Plan, order: Sequence[TaskRisk], weeks: float, weeks_stated: bool, start: date) -> Timeline:
    """Return the timeline of a rollout over so many weeks."""
    quarter = weeks * _DAYS_PER_WEEK / len(_NAMES)
    bars = [
        Bar(name.format(order[0].level), quarter * index, quarter * (index + 1)) for index, name in enumerate(_NAMES)
    ]
    groups = [[each.task for each in tasks] for _, tasks in groupby(order, key=lambda each: each.level)]
    parts = [(bars[_LOW], groups[0]), *_shared(bars[_LOW + 1], groups[1:])]
    short_of = [task for bar, tasks in parts for task in tasks if bar.last_day - bar.first_day < days_needed(plan)]
    phases = []
    for bar in bars:
        inside = [(part, tasks) for part, tasks in parts if bar.first_day <= part.first_day < bar.last_day]
        stages = [(task, tuple(_stages(plan, part))) for part, tasks in inside for task in tasks]
        phases.append(Phase(bar, tuple(stages)))
    return Timeline(weeks, weeks_stated, start, tuple(phases), tuple(short_of))


def days_needed(plan: Plan) -> float:
    """Return how many days the stages of one task take at least."""
    return sum(step.hours_min for step in plan.steps) / _HOURS_PER_DAY


def _shared(bar: Bar, groups: Sequence[list[str]]) -> Iterator[tuple[Bar, list[str]]]:
    """Give each group of tasks its part of a quarter, one after the other."""
    part = (bar.last_day - bar.first_day) / len(groups) if groups else 0.0
    for index, tasks in enumerate(groups):
        yield Bar("", bar.first_day + part * index, bar.first_day + part * (index + 1)), tasks


def _stages(plan: Plan, part: Bar) -> Iterator[Bar]:
    total = sum(step.hours_min for step in plan.steps)
    time, begins = part.last_day - part.first_day, part.first_day
    for step, stage in zip(plan.steps, plan.stages, strict=True):
        share = step.hours_min / total if total else 1 / len(plan.steps)
        yield Bar(stage.name, begins, begins + time * share)
        begins += time * share
