"""What a table says of a task: verdict, model, cost, what is owed. Nothing is escaped here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policy_engine.findings import EFFECTS, Finding
from policy_engine.summary import NO_MODEL, VERDICT_WORDS
from policy_engine.wording import usd

Document = Mapping[str, Any]


def verdict_cell(document: Document) -> str:
    """Return the verdict of a workload or a task in words."""
    return VERDICT_WORDS[document["verdict"]]


def recommended_cell(task: Document) -> str:
    """Name the recommended option and model."""
    recommendation = task["recommendation"]
    if recommendation is None:
        return "none"
    text = f"{recommendation['deployment']} {recommendation['model'] or NO_MODEL}"
    if recommendation["provisional"]:
        return f"{text} (provisional)"
    return text if recommendation["firm"] else f"{text} (not firm)"


def proposed_cell(task: Document) -> str:
    """Name the proposed option and model."""
    proposal = task["proposal"]
    return f"{proposal['deployment']} {proposal['model'] or NO_MODEL}" if proposal is not None else "none"


def judged_cell(task: Document) -> str:
    """Name option and model that the verdict is on: the proposal, else the recommendation."""
    return proposed_cell(task) if task["proposal"] is not None else recommended_cell(task)


def cost_cell(task: Document) -> str:
    """Return what the judged option costs a month, with `+` where it is at least that."""
    proposal, recommendation = task["proposal"], task["recommendation"]
    if proposal is not None:
        cost, floor = proposal["monthly_usd"], proposal.get("at_least")
    elif recommendation is not None:
        cost, floor = recommendation["monthly_usd"], (recommendation.get("cost") or {}).get("at_least")
    else:
        return "-"
    return f"{usd(cost)}{'+' if floor and cost is not None else ''}"


def duties_cell(task: Document) -> str:
    """Name the evidence that is owed; a question mark where it may be."""
    owed = [each for each in task["obligations"] if each["status"] != "satisfied" and not each.get("waived")]
    named = [each["evidence"] + ("" if each["status"] == "outstanding" else "?") for each in owed]
    return ", ".join(dict.fromkeys(named)) or "none"


def findings_cell(findings: Iterable[Finding]) -> str:
    """Count findings by how grave they are, the gravest first; those that a baseline accepts by themselves."""
    found = Counter("accepted" if each.accepted is not None else each.effect for each in findings)
    order: Sequence[str] = (*reversed(EFFECTS), "accepted")
    return ", ".join(f"{found[each]} {each}" for each in order if found[each]) or "none"
