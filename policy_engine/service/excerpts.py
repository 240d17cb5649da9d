"""What a gateway is told of a decision: yes or no, why not, and what is asked of whoever deploys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from policy_engine.model.task_case import ALLOWING


class Excerpt(Struct, frozen=True):
    """Of a decision's document; `reasons` are the rules that stand against it, none where it allows."""

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
        row
        for task in tasks
        for row in task["rules"]
        if row["outcome"] != "not_fired" and row["enforcement"] is not None
    )
    reasons = () if verdict in ALLOWING else (reason(row["id"], row["message"]) for row in against)
    return Excerpt(verdict, document["valid_until"], tuple(duties), tuple(reasons))


def reason(code: str, message: str) -> dict[str, str]:
    """Return one reason of an answer."""
    return {"code": code, "message": message}
