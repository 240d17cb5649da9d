"""A playbook as a value for programs: dollars a month, weeks, percent; None is unknown."""

from __future__ import annotations

from typing import Any

from policy_audit.view import instant

from policy_engine.migrating.item import Item, Step
from policy_engine.migrating.playbook import Playbook
from policy_engine.migrating.shortlist import Candidate, Shortlist
from policy_engine.migrating.timeline import Timeline
from policy_engine.model.ranges import Range


def document_of(playbook: Playbook) -> dict[str, Any]:
    """Return the document of one workload."""
    case, workload = playbook.case, playbook.case.workload
    policy = case.decider.policy
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "MigrationPlaybook",
        "as_of": instant(case.at),
        "workload": {"namespace": workload.namespace, "name": workload.metadata.name, "stage": workload.spec.stage},
        "policy": {"digest": policy.digest},
        "catalog": {"digest": case.catalog.digest, "as_of": case.catalog.as_of.isoformat()},
        "ledger": _ledger(playbook),
        "migration": {True: "present", False: "none", None: None}[playbook.migration],
        "progress": {"done": playbook.done, "needed": playbook.needed},
        "next": [_item(item) for item in playbook.next],
        "steps": [_step(step) for step in playbook.steps],
        "shortlists": [_shortlist(task, found) for task, found in playbook.shortlists.items()],
        "money": _money(playbook),
        "conditions": [
            {
                "task": each.task,
                "side": each.side,
                "criterion": each.criterion,
                "title": each.title,
                "holds": each.holds,
                "rules": list(each.rules),
                "missing": list(each.missing),
            }
            for each in playbook.conditions
        ],
        "timeline": _timeline(playbook.timeline),
    }


def _ledger(playbook: Playbook) -> dict[str, Any]:
    records = playbook.case.records
    return {
        "entries": records.size,
        "evaluation_reports": [each.index for each in records.evaluations],
        "rollout_decisions": [each.index for each in records.rollouts],
        "malformed": [{"entry": each.index, "type": each.type, "problem": each.problem} for each in records.malformed],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": step.title,
        "done": step.done,
        "needed": step.needed,
        "items": [_item(item) for item in step.items],
        "notes": list(step.notes),
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "task": item.task,
        "title": item.title,
        "state": item.state,
        "shown_by": [
            {"kind": each.kind, "name": each.name, "says": each.says, "entry": each.entry} for each in item.shown_by
        ],
        "asked_by": {
            "rules": list(item.asks.rules),
            "criteria": list(item.asks.criteria),
            "enforcement": item.asks.enforcement,
            "why": item.asks.why,
        },
        "action": item.action,
    }


def _shortlist(task: str, found: Shortlist) -> dict[str, Any]:
    return {
        "task": task,
        "qualifying": found.sure,
        "not_known_to_qualify": found.doubtful,
        "candidates": [_candidate(each) for each in found.candidates],
    }


def _candidate(each: Candidate) -> dict[str, Any]:
    score, price = each.score, each.price
    return {
        "model": each.model,
        "deployment": each.option,
        "provider": each.provider,
        "qualifies": each.sure,
        "why": each.why,
        "missing": list(each.missing),
        "licence": each.licence,
        "commercial_use": each.licence_says,
        "benchmark": each.benchmark,
        "benchmark_unit": each.unit,
        "score": score.score if score is not None else None,
        "score_source": score.source if score is not None else None,
        "score_as_of": score.as_of.isoformat() if score is not None else None,
        "scores": [
            {"benchmark": s.benchmark, "score": s.score, "source": s.source, "as_of": s.as_of.isoformat()}
            for s in each.scores
        ],
        "input_usd_per_million_tokens": price.input_usd_per_million if price is not None else None,
        "output_usd_per_million_tokens": price.output_usd_per_million if price is not None else None,
        "price_source": price.source if price is not None else None,
        "price_as_of": price.as_of.isoformat() if price is not None else None,
        "usd_per_month": each.monthly_usd,
        "usd_at_least": each.at_least,
        "quantization": each.quantization,
        "weights_gib": each.weights_gib,
    }


def _money(playbook: Playbook) -> dict[str, Any]:
    money = playbook.money
    return {
        "today_usd_per_month": money.today_usd,
        "today_declared_usd_per_month": money.declared_usd,
        "today_computed_usd_per_month": money.computed_usd,
        "judged_usd_per_month": money.judged_usd,
        "judged_at_least": money.judged_at_least,
        "saving_usd_per_month": money.saving_usd,
        "saving_percent": money.saving_percent,
        **_ends("today", money.today_range),
        **_ends("judged", money.judged_range),
        **_ends("saving", money.saving_range),
        "disputes": list(money.disputes),
        "tasks": [
            {
                "task": row.task,
                "today_usd_per_month": row.today_usd,
                "today_figure": row.figure,
                "today_disputes": list(row.disputes),
                "judged_deployment": row.option,
                "judged_model": row.model,
                "judged_usd_per_month": row.judged_usd,
                "judged_at_least": row.judged_at_least,
                "recommended_deployment": row.recommended_option,
                "recommended_model": row.recommended_model,
                "recommended_usd_per_month": row.recommended_usd,
                "recommended_at_least": row.recommended_at_least,
                **_ends("today", row.today_range),
                **_ends("judged", row.judged_range),
                **_ends("saving", row.saving_range),
                "judged_disputes": list(row.judged_disputes),
            }
            for row in money.tasks
        ],
    }


def _ends(name: str, found: Range | None) -> dict[str, float | None]:
    low, high = (found.low, found.high) if found is not None else (None, None)
    return {f"{name}_low_usd_per_month": low, f"{name}_high_usd_per_month": high}


def _timeline(found: Timeline) -> dict[str, Any]:
    return {
        "usual_weeks_low": found.usual_weeks[0],
        "usual_weeks_high": found.usual_weeks[1],
        "planned_weeks": found.planned_weeks,
        "deadline_weeks": found.deadline_weeks,
        "problems": list(found.problems),
        "phases": [
            {
                "title": each.title,
                "steps": list(each.steps),
                "from_week": each.from_week,
                "to_week": each.to_week,
            }
            for each in found.phases
        ],
    }
