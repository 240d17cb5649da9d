"""A ledger with what `policy parity --record` and `policy rollout` write, in the shapes that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from policy_audit.ledger import Draft, EntryType, open_ledger

TICKETS = "help-desk/tickets"
#: What the example proposes for its tasks, and what stands for the entry before.
CANDIDATE = {"deployment": "open_api", "model": "qwen3-14b", "provider": "open-model-hosting", "region": "us"}
BEFORE = "the entry before"
#: The interval of the difference that a verdict is about, at a margin of 0.02.
ENDS = {
    "better": ("0.01", "0.02", "0.03"),
    "equivalent": ("-0.015", "-0.005", "0.005"),
    "worse": ("-0.09", "-0.06", "-0.03"),
    "inconclusive": ("-0.05", "-0.01", "0.03"),
    "too_few": ("-0.4", "0", "0.4"),
}
RECORDED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def compared(
    task: str = "sorting",
    kind: str = "classification",
    model: str = "qwen3-14b",
    verdict: str = "equivalent",
    current: str = "gpt-4o",
) -> dict[str, Any]:
    """Return a task of a report with one candidate; numbers that are not whole are decimal text, as in entries."""
    low, middle, high = ENDS[verdict]
    difference = {"value": middle, "low": low, "high": high}
    candidate = {"model": model, "value": "0.925", "difference": difference, "verdict": verdict}
    return {
        "name": task,
        "kind": kind,
        "metric": "accuracy",
        "examples": 400,
        "current": {"model": current, "value": "0.93"},
        "candidates": [candidate],
    }


def digest(value: Any) -> str:
    """Return the SHA-256 of its canonical bytes: for such values JSON without blanks, the keys in order."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def report(*tasks: Mapping[str, Any], **more: Any) -> Draft:
    """Return the entry of a report on these tasks."""
    found = {
        "golden": {"sha256": "b" * 64, "examples": 400},
        "answers": [{"model": "gpt-4o", "sha256": "c" * 64}],
        "margin": "0.02",
        "confidence": "0.95",
        "resamples": 10000,
        "seed": 0,
        "tasks": [dict(task) for task in tasks],
    }
    body = {
        "workload": TICKETS,
        "evidence": ["golden_dataset", "parallel_test"],
        "sha256": digest(found),
        "valid_until": None,
        "report": found,
    }
    return Draft(EntryType.EVALUATION_REPORT, body={**body, **more})


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
