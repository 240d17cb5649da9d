"""Options and plans as every report of a decision shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.summary import cost_text
from policy_engine.wording import usd

Document = Mapping[str, Any]
#: What the table of options says below itself where a figure is marked with `+`.
AT_LEAST_NOTE = "+ at least"


def plan_text(plan: Document) -> str:
    """Say what the plan over several tasks comes to."""
    routes = plan["routes"]
    placed = sum(route["deployment"] is not None for route in routes)
    if not placed:
        return f"Plan: nothing is permitted for any of {len(routes)} tasks"
    some = f", for {placed} of {len(routes)} tasks" if placed < len(routes) else ""
    return f"Plan: {plan['kind']}{some}, {cost_text(plan)}{', over budget' if plan['over_budget'] else ''}"


def option_cells(task: Document, row: Document) -> tuple[str, str, str, str, str]:
    """Return an option's cells: name, status, score with its range, cost, and model with what is to note."""
    possible = row["status"] in ("permitted", "uncertain")
    low, high = row["score_range"]
    score = str(row["score"]) if low == high else f"{row['score']} ({low}..{high})"
    cost = usd(row["monthly_usd"]) if row["monthly_usd"] is not None or possible else ""
    cost += "+" if row["monthly_usd"] is not None and row.get("at_least") else ""
    notes = [row["model"]] if possible and row["model"] else []
    notes += ["over budget"] if row["over_budget"] and possible else []
    notes += ["cheapest"] if row["deployment"] == task["cheapest"] and _choice(task) else []
    return row["deployment"], row["status"], score, cost, ", ".join(notes)


def _choice(task: Document) -> bool:
    """Whether more than one option is permitted, so that the cheapest is worth a word."""
    return [row["status"] for row in task["options"]].count("permitted") > 1
