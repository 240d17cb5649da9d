"""What the first legs of a workload cost together, and whether that is more than its budget.

INVARIANT: that the budget holds is said only of a cost that is known to be no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from policy_engine.routing.chains import Chain
from policy_engine.routing.legs import Leg, is_over


def plan(chains: Sequence[Chain]) -> dict[str, Any]:
    """Return the plan: dollars a month, null where the cost of a first leg is not known, or nothing is routed.

    The hardware that a workload claims is there once: tasks that one model serves on it pay for it once. Where several
    models are on it the sum counts it once for each: then it is at most so much, and at least what the dearest costs.
    """
    firsts = [(chain, chain.legs[0]) for chain in chains if chain.legs]
    claimed = {_pool(leg): leg.usd_per_month for chain, leg in firsts if _on_claim(chain, leg)}
    others = [leg.usd_per_month for chain, leg in firsts if not _on_claim(chain, leg)]
    costs = [*others, *claimed.values()]
    known = [usd for usd in others if usd is not None]
    own = [usd for usd in claimed.values() if usd is not None]
    total = sum(known) + sum(own) if costs and None not in costs else None
    at_least = bool(firsts) and (any(leg.at_least for _, leg in firsts) or len(firsts) < len(chains))
    budget = chains[0].result.facts.get("budget.monthly_usd")
    most = inf if total is None or at_least else total
    options = {leg.deployment for _, leg in firsts}
    return {
        "kind": None if not options else ("hybrid" if len(options) > 1 else "single"),
        "tasks": len(chains),
        "tasks_routed": len(firsts),
        "usd_per_month": total,
        "at_least": at_least,
        "at_most": len(claimed) > 1,
        "over_budget": is_over(budget, sum(known) + max(own, default=0.0), most),
    }


def _on_claim(chain: Chain, leg: Leg) -> bool:
    return leg.own_machines and chain.result.case.hardware is not None


def _pool(leg: Leg) -> tuple[str, str | None, str | None]:
    return leg.deployment, leg.model, leg.quantization
