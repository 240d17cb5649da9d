"""The stages of a rollout: where it starts, what comes next, and how long each takes at least."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from msgspec import Struct

from policy_engine.errors import FieldError, Problem
from policy_engine.rollout.register import RolloutRules, Step
from policy_engine.rollout.vocabulary import NOTHING

START = "migration.rollout_start_percent"
ALL = 100.0


class Stage(Struct, frozen=True):
    """So many percent of the traffic on the candidate; 0 before the first stage."""

    percent: float

    @property
    def name(self) -> str:
        return "not-begun" if self.percent == NOTHING else f"{percent_text(self.percent)}-percent"

    @property
    def is_last(self) -> bool:
        return self.percent == ALL

    def document(self) -> dict[str, Any]:
        """Return it as an entry holds it: a whole percent as a number, another one as decimal text."""
        percent = self.percent
        return {"name": self.name, "percent": int(percent) if percent.is_integer() else percent_text(percent)}


NOT_BEGUN = Stage(NOTHING)


def percent_text(percent: float) -> str:
    """Write percent in decimal notation with all of its digits, and no point where it is whole."""
    return f"{Decimal(repr(percent)):f}".removesuffix(".0")


class Plan(Struct, frozen=True):
    """The stages of a rollout in order, from where the workload starts up to 100 percent.

    `stated` is whether the workload says where it starts, with some traffic. `configured` are the stages by the
    rules: what has begun goes on by these, wherever the workload says by now that it starts.
    """

    steps: tuple[Step, ...]
    stated: bool
    configured: tuple[Step, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(step.percent) for step in self.steps)

    def after(self, stage: Stage) -> Stage | None:
        """Return the stage that follows: where it starts, then the next one of the rules; None after the last."""
        if stage == NOT_BEGUN:
            return self.stages[0]
        return next((Stage(each.percent) for each in self.configured if each.percent > stage.percent), None)

    def hours_min(self, stage: Stage) -> float:
        """Return the shortest time of a stage; of one that the rules do not have, that of the one below it."""
        return _hours(self.configured, stage.percent)


def plan_of(facts: Mapping[str, Any], rules: RolloutRules, *, begins: bool = True) -> Plan:
    """Return the stages for a workload with these facts; `begins` is whether a task of it is to begin.

    Where none is, a start with no traffic is no matter: what has begun goes on, or back, by the stages of the rules.

    Raises:
        FieldError: a task is to start with no traffic at all, which is no start.
    """
    given = facts.get(START)
    start = float(given if given is not None else rules.values["rollout_start_percent_min"])
    if start <= NOTHING and not begins:
        return Plan(rules.steps, False, rules.steps)
    if start <= NOTHING:
        message = "a rollout that starts with 0 percent of traffic never starts"
        low, high = (rules.values[f"rollout_start_percent_{end}"] for end in ("min", "max"))
        problem = Problem("rollout-start", message, help=f"start with {low:g} to {high:g} percent")
        raise FieldError(problem, ("spec", "migration", "rollout_start_percent"))
    steps = (Step(start, _hours(rules.steps, start)), *(step for step in rules.steps if step.percent > start))
    assert all(one.percent < other.percent for one, other in pairwise(steps))  # noqa: S101 - the register's order
    return Plan(steps, given is not None, rules.steps)


def _hours(steps: tuple[Step, ...], percent: float) -> float:
    return next((step.hours_min for step in reversed(steps) if step.percent <= percent), steps[0].hours_min)
