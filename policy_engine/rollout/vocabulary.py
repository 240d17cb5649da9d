"""The facts of a rollout, which its rules may read beside those of the workload and its task."""

from __future__ import annotations

from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import Fact

CANDIDATE, CURRENT = "candidate", "current"
MODELS = (CURRENT, CANDIDATE)
#: Percent of traffic on the candidate before a task has begun, and after it was rolled back.
NOTHING = 0.0

_ROWS = (
    Fact(
        "decision.verdict", "string", "The verdict on the workload, of the decision that was just made.", None, VERDICTS
    ),
    Fact("rollout.lower_risk_open", "int", "Tasks of lower risk whose rollout is not complete.", "tasks"),
    Fact("rollout.roll_backs", "int", "How often the task was rolled back, as recorded.", "roll backs"),
    Fact("rollout.same_candidate", "bool", "Whether the task still moves to what the stage was begun with."),
    Fact("rollout.start_percent", "double", "The share of traffic that a task begins with.", "percent"),
    Fact("stage.percent", "double", "The share of traffic of the stage that is on; 0 before the first one.", "percent"),
    Fact("stage.hours", "double", "From when the stage was put on to the last observation of the candidate.", "hours"),
    Fact("stage.hours_min", "double", "The stage's shortest time.", "hours"),
    Fact("stage.requests", "int", "Requests to the candidate in the stage.", "requests"),
    Fact("observed.errors", "int", "Requests to the candidate that failed.", "requests"),
    Fact("observed.error_rate", "double", "The candidate's share of errors.", "ratio"),
    Fact("observed.error_rate_low", "double", "The lower end of its 95 percent interval (Wilson).", "ratio"),
    Fact("observed.error_rate_high", "double", "The upper end of its 95 percent interval (Wilson).", "ratio"),
    Fact("observed.quality", "double", "The candidate's quality, the mean by requests; 1 is best.", "ratio"),
    Fact("observed.quality_drop", "double", "How far it lies below the current model's.", "ratio"),
    Fact("observed.latency_p95_ms", "int", "The highest 95th percentile of an observation of the candidate.", "ms"),
    Fact("observed.longest_gap_hours", "double", "The longest time without an observation of a model.", "hours"),
    Fact("observed.unpaired", "int", "Times of which one model was observed, and not the other.", "times"),
    Fact("observed.share_percent", "double", "The candidate's part of the requests to both.", "percent"),
    Fact("baseline.requests", "int", "Requests to the current model.", "requests"),
    Fact("baseline.error_rate", "double", "The current model's share of errors.", "ratio"),
    Fact("baseline.error_rate_high", "double", "The upper end of its 95 percent interval (Wilson).", "ratio"),
    Fact("baseline.quality", "double", "The current model's quality, the mean by requests; 1 is best.", "ratio"),
    Fact("baseline.latency_p95_ms", "int", "The highest 95th percentile of an observation of the current model.", "ms"),
)
FACTS: dict[str, Fact] = {fact.name: fact for fact in _ROWS}
