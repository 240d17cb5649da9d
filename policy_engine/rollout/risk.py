"""How risky it is to move a task to another model, and in which order tasks begin: low-risk work first (MIGRATE-04)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from policy_engine.language.kleene import truth
from policy_engine.rollout.register import RolloutRules

Level = Literal["low", "medium", "high"]
LEVELS: tuple[Level, ...] = ("low", "medium", "high")


class Found(Struct, frozen=True):
    """One risk of a task; `missing` are the facts without which it is not known, and counts."""

    id: str
    says: str
    missing: tuple[str, ...]


class TaskRisk(Struct, frozen=True):
    """The risks of a task, a point for each, and what they come to."""

    task: str
    level: Level
    found: tuple[Found, ...]

    @property
    def points(self) -> int:
        return len(self.found)


def risk_of(task: str, facts: Mapping[str, Any], rules: RolloutRules) -> TaskRisk:
    """Return the risks of a task: what is so, and what is not known to be otherwise."""
    found = []
    for risk in rules.risks:
        answer, missing = truth(risk.condition, facts, rules.matches)
        if answer is not False:
            found.append(Found(risk.id, risk.says, () if answer else tuple(sorted(missing))))
    low, medium = (int(rules.values[f"{level}_risk_points"]) for level in LEVELS[:2])
    level: Level = "low" if len(found) <= low else "medium" if len(found) <= medium else "high"
    return TaskRisk(task, level, tuple(found))


def in_order(risks: Sequence[TaskRisk]) -> list[TaskRisk]:
    """Return them by risk, the lowest first; those that are equal stay in the order of the file."""
    return sorted(risks, key=lambda each: (LEVELS.index(each.level), each.points))


def lower(risk: TaskRisk, others: Sequence[TaskRisk]) -> list[TaskRisk]:
    """Return those of a lower level, which come first."""
    return [each for each in others if LEVELS.index(each.level) < LEVELS.index(risk.level)]
