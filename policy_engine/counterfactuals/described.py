"""What a change is of: of what the workload is, so that stating it otherwise may misstate it, or of what is decided.

A proposal, evidence, a team, needs, a budget, requirements and plans are decided and provided; what comes in, for whom,
in which amounts and what is in use today is as it is.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

Of = Literal["workload", "choice"]
_SECTIONS = frozenset({"proposal", "evidence", "team", "needs", "hardware"})
#: Of the sections that describe otherwise: how good, how fast, how soon and how much has to come out, and plans.
FACTS = frozenset(
    {
        "workload.deploy_within_days",
        "task.quality",
        "task.batch",
        "task.latency_p95_ms",
        "task.context_tokens",
        "budget.monthly_usd",
        "migration.rollout_start_percent",
        "migration.weeks_planned",
    }
)
_FLOORS = "task.min_scores"


@cache
def of_fact(name: str) -> Of:
    """Say what a change of a fact is of; of a layer's own facts nobody knows, so that they are taken to describe."""
    chosen = name.partition(".")[0] in _SECTIONS or name in FACTS or name.startswith(_FLOORS)
    return "choice" if chosen else "workload"


def of_change(name: str, op: str) -> Of:
    """Say what one condition on a fact is of: that it is known at all is for the team to provide."""
    return "choice" if op == "known" else of_fact(name)
