"""A ledger with what `policy parity --record` and `policy rollout` write, in the shapes that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace as replaced
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.vouching.evaluation import (
    Candidate,
    Difference,
    Golden,
    Side,
    Task,
    evaluation_body,
    is_mean,
    rounded,
    unseen,
)
from tests.evaluating import GOLDEN, evaluation
from tests.evaluating import task as evaluated

TICKETS = "help-desk/tickets"
#: What the example proposes for its tasks, and what stands for the entry before.
CANDIDATE = {"deployment": "open_api", "model": "qwen3-14b", "provider": "open-model-hosting", "region": "us"}
BEFORE = "the entry before"
RECORDED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


#: A metric that counts for a kind of task.
METRICS = {"summarisation": "rouge_l", "extraction": "token_f1"}


def compared(
    task: str = "sorting",
    kind: str = "classification",
    model: str = "qwen3-14b",
    verdict: str = "equivalent",
    current: str = "gpt-4o",
    metric: str | None = None,
) -> Task:
    """Return a task of a report with one candidate, with figures that give this verdict."""
    more = {"name": task, "kind": kind, "metric": metric or METRICS.get(kind, "macro_f1")}
    side = Side(current, 0.85)
    if verdict != "too_few":
        found = evaluated(cast("Any", verdict), model, **more, current=side)
        more_differ = tuple(replaced(each, differing=60) for each in found.candidates)
        return replaced(found, candidates=more_differ) if verdict == "worse" else found
    candidate = Candidate(
        model, 0.85, Difference(0.0, -0.4, 0.4), 4, 0.7 if is_mean(more["metric"]) else None, "too_few"
    )
    few = {"examples": 20, "resolution": rounded(unseen(20, 0.05)), "candidates": (candidate,)}
    return evaluated(**more, **few, current=side)


def report(*tasks: Task, **more: Any) -> Draft:
    """Return the entry of a report on these tasks; `more` takes the place of what the body holds."""
    found = evaluation(*tasks, golden=Golden(GOLDEN, GOLDEN, sum(task.examples for task in tasks)))
    return Draft(EntryType.EVALUATION_REPORT, body={**evaluation_body(found, TICKETS, None), **more})


def rollout(task: str, decision: str, percent: int = 10, to: int = 25, **more: Any) -> Draft:
    """Return the entry of a decision on a rollout, which follows the one before it on the task."""
    after = {"name": "next", "percent": to} if decision == "advance" else None
    body = {
        "workload": TICKETS,
        "task": task,
        "candidate": CANDIDATE,
        "stage": {"name": "early", "percent": percent},
        "decision": decision,
        "next": after,
        "reasons": [{"rule": "errors-hold", "says": "quality holds"}],
        "observations": {"sha256": "d" * 64, "count": 12, "first": "2026-11-18", "last": "2026-11-20"},
        "rules": "sha256:" + "e" * 64,
        "decided_at": "2026-11-20T12:00:00Z",
        "follows": BEFORE,
    }
    return Draft(EntryType.ROLLOUT_DECIDED, body={**body, **more})


def completed(*tasks: str, **more: Any) -> list[Draft]:
    """Return the entries by which all of the traffic of these tasks has moved."""
    return [
        draft
        for task in tasks
        for draft in (rollout(task, "advance", 0, 100, **more), rollout(task, "complete", 100, **more))
    ]


def ledger_with(folder: Path, drafts: Sequence[Draft], name: str = "ledger.db") -> str:
    """Make a ledger that holds these entries in order, recorded at noon of 20 November 2026; return its URL."""
    url = f"sqlite:///{folder / name}"
    last: dict[Any, Any] = {}
    with open_ledger(url, clock=lambda: RECORDED) as ledger:
        for draft in drafts:
            task, chained = draft.body.get("task"), draft.body.get("follows") == BEFORE
            entry = ledger.append(replace(draft, body={**draft.body, "follows": last.get(task)}) if chained else draft)
            if chained:
                last[task] = {"index": entry.index, "leaf": entry.leaf_hash}
    return url
