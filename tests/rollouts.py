"""What tests of rollouts share: a workload that may be rolled out, observations, and facts of a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from policy_audit.ledger import Draft

from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.rollout import moving
from policy_engine.rollout.figures import stage_facts
from policy_engine.rollout.moved import candidate_of
from policy_engine.rollout.observations import Observation
from policy_engine.rollout.register import RolloutRules, read_rollout
from policy_engine.rollout.risk import risk_of
from policy_engine.rollout.stages import Stage, plan_of

BEGUN = datetime(2026, 11, 2, 9, tzinfo=UTC)
#: `tagging` is of low risk, `replies` of medium; both are allowed.
WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: support, name: helpdesk, owner: support@acme.example}
spec:
  stage: pilot
  organisation: enterprise
  tasks:
    - {name: replies, kind: customer_chat, complexity: standard, quality: sufficient, share: 0.6, batch: false,
       customer_facing: true, edge_cases_matter: true, latency_p95_ms: 1500, context_tokens: 8000,
       proposal: {deployment: open_api, model: qwen3-14b, provider: together, region: us}}
    - {name: tagging, kind: classification, complexity: simple, quality: sufficient, share: 0.4, batch: false,
       customer_facing: false, edge_cases_matter: false, latency_p95_ms: 1000, context_tokens: 4000,
       proposal: {deployment: open_api, model: qwen3-14b, provider: together, region: us}}
  data: {sensitivity: internal, regulations: [], residency: [anywhere], may_leave_network: true,
    third_party_accepted: true}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000}
  team: {mlops: building, ml_engineers: 1, gpu_devops_engineers: 1}
  needs: {}
  migration: {from: {deployment: proprietary_api, model: gpt-4o, provider: openai}, weeks_planned: 6.0,
    rollout_start_percent: 5.0}
"""
#: What the rules read of a task, beside what is observed.
TASK: dict[str, Any] = {"workload.name": "w", "task.batch": False, "task.latency_p95_ms": 1000}
CALM: dict[str, Any] = {
    "decision.verdict": "allow",
    "rollout.lower_risk_open": 0,
    "rollout.roll_backs": 0,
    "rollout.start_percent": 5.0,
    "rollout.same_candidate": True,
}


@cache
def shipped() -> RolloutRules:
    """The shipped rules of rollouts."""
    return read_rollout((), load_policy())


def hours(count: float) -> datetime:
    return BEGUN + timedelta(hours=count)


def seen(model: str, at: float, requests: int = 200, errors: int | None = 0, **more: Any) -> Observation:
    """An observation so many hours after the stage began."""
    quality, latency = more.get("quality", Fraction(9, 10)), more.get("latency", Fraction(500))
    return Observation("5-percent", "t", model, hours(at), requests, errors, quality, latency)


def judged_facts(
    rows: list[Observation], percent: float, at: float, baseline: list[Observation] | None = None, **more: Any
) -> dict[str, Any]:
    """All that the rules read of a stage of that percent, decided so many hours after it began."""
    observed = stage_facts(rows, baseline or [], Stage(percent), BEGUN, hours(at))
    return {**TASK, **CALM, **observed, "stage.percent": percent, "stage.hours_min": 24.0, **more}


def lines(stage: str, task: str, begins: datetime, **candidate: Any) -> Iterator[str]:
    """A day of a stage as JSON Lines, an observation of each model every six hours; `candidate` is what it was like."""
    percent = float(stage.removesuffix("-percent"))
    for hour in (6, 12, 18, 24, *((30, 36, 42, 48) if percent >= 50 else ())):
        at = (begins + timedelta(hours=hour)).isoformat()
        common = {"stage": stage, "task": task, "at": at}
        good = {"requests": 200, "errors": 1, "quality": 0.9, "latency_p95_ms": 500}
        if percent < 100:
            others = {**good, "requests": round(200 * (100 - percent) / percent)}
            yield json.dumps({**common, "model": "current", **others})
        yield json.dumps({**common, "model": "candidate", **good, **candidate})


def begun_draft(workload: Path) -> Draft:
    """The entry by which the only task of a workload begins."""
    policy, rules = load_policy(), shipped()
    (loaded,) = load_workloads(workload, None, policy.vocabulary)
    (task,) = (each.name for each in loaded.workload.spec.tasks)
    risks = [risk_of(task, TASK, rules)]
    candidate = candidate_of("self_hosted", "llama-3.1-8b", None, None)
    facts = {task: {**TASK, "workload.name": loaded.workload.metadata.name}}
    told = (loaded.workload, "allow", facts, {task: candidate}, risks)
    given = moving.Given(*told, plan_of({}, rules), rules, BEGUN, policy.catalog)
    move = moving.begin(given, task, {})
    body = moving.body_of(move, given, {"decision": "0" * 64, "verdict": "allow", "entry": 0})
    return moving.draft_of(move, given, body, {}, {"actor_known_by": "asserted"})
