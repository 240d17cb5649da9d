"""Step 5, monitor and scale: alerts, and where a proven migration can be applied next."""

from __future__ import annotations

from policy_engine.migrating.case import Case
from policy_engine.migrating.item import Ground, Item, Step
from policy_engine.migrating.obliged import evidence_item
from policy_engine.wording import listed

_SCALE = "MIGRATE-05"
_NOTE = "train the team that operates what was moved: nothing on record shows whether that was done"
_FEW = 5


def scale_step(case: Case) -> Step:
    """Return the items of step 5."""
    items = (evidence_item(case, "monitoring", "Alerts on quality, latency and errors"), _scale(case))
    return Step(5, "Monitor and scale", items, (_NOTE,))


def _scale(case: Case) -> Item:
    asks, title = case.asks(_SCALE), "What the migration is applied to next"
    proven = [task for task in case.tasks if case.is_proven(task)]
    if not proven:
        said = Ground("decision", "rollout", "no rollout on record is complete, so nothing is proven yet")
        return Item("scale", title, "not_needed", asks.unheard, (said,))
    shown = [Ground("decision", "proven", listed([task.name for task in proven]))]
    rest = [task for task in case.tasks if task not in proven and task.facts.get("task.class") == "workhorse"]
    shown += [Ground("decision", task.name, "a workhorse task of this workload") for task in rest]
    others = case.records.others[:_FEW]
    shown += [
        Ground("entry", each.workload, f"{listed(each.tasks)}: workhorse on a closed model", each.index)
        for each in others
    ]
    if not rest and not others:
        return Item("scale", title, "done", asks, tuple(shown))
    names = [task.name for task in rest] or [each.workload for each in others]
    action = f"migrate next: {listed(names)}"
    return Item("scale", title, "missing", asks, tuple(shown), action)
