"""What the decisions of one call of `policy rollout` rest on, and what is wrong with single tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.errors import InputError, Problem
from policy_engine.model.task_case import TaskResult
from policy_engine.rollout.moved import candidate_of


class Refused:
    """What is wrong with single tasks, while others are decided."""

    def __init__(self, found: dict[str, list[Problem]]) -> None:
        self._found = found

    @property
    def tasks(self) -> set[str]:
        return set(self._found)

    @property
    def problems(self) -> list[Problem]:
        return [each for group in self._found.values() for each in group]

    def add(self, task: str, problems: Sequence[Problem]) -> None:
        if problems:
            self._found.setdefault(task, []).extend(problems)

    def left(self, asked: Sequence[str]) -> list[str]:
        return [task for task in asked if task not in self._found]

    def check(self, asked: Sequence[str]) -> None:
        """Refuse the call where no task is left to decide.

        Raises:
            InputError: with every problem.
        """
        if not self.left(asked):
            raise InputError(self.problems)


class Ground(Struct, frozen=True):
    """What the workload's own decision says: the verdict, and of each task its facts and its route."""

    verdict: str
    results: Sequence[TaskResult]
    routes: Sequence[Mapping[str, Any]]

    @property
    def facts(self) -> dict[str, Mapping[str, Any]]:
        return {str(result.facts["task.name"]): result.facts for result in self.results}

    @property
    def candidates(self) -> dict[str, dict[str, str | None]]:
        """What each task moves to."""
        found = {}
        for route in self.routes:
            facts = self.facts[route["task"]]
            provider, region = (facts.get(f"proposal.{name}") for name in ("provider", "region"))
            found[route["task"]] = candidate_of(route["deployment"], route["model"], provider, region)
        return found
