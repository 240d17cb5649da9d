"""What a gateway is told of a decision: yes or no, why not, and what is asked of whoever deploys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from policy_engine.model.task_case import ALLOWING
from policy_engine.summary import coded_reasons


class Excerpt(Struct, frozen=True):
    """Of a decision's document; `reasons` are what stands against each task that it does not allow."""

    verdict: str
    valid_until: str | None
    obligations: tuple[Mapping[str, Any], ...]
    reasons: tuple[Mapping[str, str], ...]

    @property
    def allows(self) -> bool:
        return self.verdict in ALLOWING


class Given(Struct, frozen=True):
    """A decision that was answered: its id, the index of its entry, and what it says."""

    id: str
    index: int
    excerpt: Excerpt


def excerpt_of(document: Mapping[str, Any]) -> Excerpt:
    """Return what is told of a decision's document."""
    tasks, verdict = document["tasks"], document["verdict"]
    duties = ({"task": task["name"], **duty} for task in tasks for duty in task["obligations"])
    against = (
        {"task": task["name"], **reason(each.code, each.text)}
        for task in tasks
        if task["verdict"] not in ALLOWING
        for each in coded_reasons(task)
        if each.against
    )
    return Excerpt(verdict, document["valid_until"], tuple(duties), tuple(against))


def reason(code: str, message: str) -> dict[str, str]:
    """Return one reason of an answer."""
    return {"code": code, "message": message}
