"""Reports as `policy parity` would record them: figures of two models, made up here as data."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from policy_engine.vouching.evaluation import (
    Answers,
    Candidate,
    Difference,
    Evaluation,
    Golden,
    Side,
    Task,
    Verdict,
    evaluation_body,
    is_mean,
    rounded,
    unseen,
)

CURRENT, OPEN = "gpt-4o", "qwen3-14b"
GOLDEN = "a" * 64
ENDS: dict[str, tuple[float, float, float]] = {
    "better": (0.02, 0.0025, 0.04),
    "equivalent": (0.004, -0.0125, 0.02),
    "inconclusive": (-0.01, -0.0375, 0.02),
    "worse": (-0.1, -0.15, -0.05),
}
#: Of means of shares, what was seen is so likely of a candidate that is worse by the margin.
CHANCES = {"better": 0.01, "equivalent": 0.01, "inconclusive": 0.5, "worse": 1.0}


def task(verdict: Verdict = "equivalent", model: str = OPEN, **more: Any) -> Task:
    """Return 500 examples of one task, with figures that give this verdict."""
    value, low, high = ENDS[verdict]
    chance = CHANCES[verdict] if is_mean(more.get("metric", "macro_f1")) else None
    candidate = Candidate(model, rounded(0.85 + value), Difference(value, low, high), 40, chance, verdict)
    known = {
        "name": "work",
        "kind": "classification",
        "metric": "macro_f1",
        "examples": 500,
        "resolution": rounded(unseen(500, 0.05)),
        "current": Side(CURRENT, 0.85),
        "candidates": (candidate,),
    }
    return Task(**(known | more))


def evaluation(*tasks: Task, **more: Any) -> Evaluation:
    """Return the report of these tasks, else of one in which the candidate is equivalent."""
    of = tasks or (task(),)
    models = [of[0].current.model, *(each.model for each in of[0].candidates)]
    answers = tuple(Answers(model, f"{number:064x}", f"{number:064x}") for number, model in enumerate(models, 1))
    found = Evaluation(Golden(GOLDEN, GOLDEN, 500), answers, 0.02, 0.95, 10_000, 0, of)
    return replace(found, **more)


def body(found: Evaluation, workload: str, valid_until: str | None = None) -> dict[str, Any]:
    """Return the body of the entry that records the report."""
    return evaluation_body(found, workload, valid_until)
