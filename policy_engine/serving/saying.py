"""What the supervisor says on standard error."""

from __future__ import annotations

from typing import Any, Protocol

from policy_engine.errors import Problem


class Say(Protocol):
    """Says what happened, with a level (`info`, `warning`, `error`), and what more there is to say by name."""

    def __call__(self, level: str, event: str, **fields: Any) -> None: ...


def problem_text(problem: Problem) -> str:
    """Return a problem in one line: its place, what is wrong, its code, and what to do."""
    place = f"{problem.span}: " if problem.span is not None else ""
    more = f"; {problem.help}" if problem.help else ""
    return f"{place}{problem.message} [{problem.code}]{more}"
