"""The answer of `policy cost` as other programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from policy_engine.asking.moments import exact
from policy_engine.catalog.entries import Entry
from policy_engine.costing.compared import Compared
from policy_engine.costing.estimate import OptionCost, TaskCost, WorkloadCost
from policy_engine.costing.examples import examples_of
from policy_engine.costing.lines import PARTS, Line
from policy_engine.costing.plans import Plan
from policy_engine.costing.returns import HORIZONS_MONTHS, Outlay
from policy_engine.costing.speeds import Assumptions
from policy_engine.costing.thresholds import Threshold
from policy_engine.loading.assumptions import assumptions_digest
from policy_engine.model.ranges import Range

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

NO_DECISION = "not a decision, and not recorded: `policy evaluate` decides, and records it"


@dataclass(frozen=True)
class Report:
    """What was found, and by what; `everything` shows each model as text."""

    policy: Policy
    assumed: Assumptions
    at: datetime
    workloads: tuple[WorkloadCost, ...]
    everything: bool


def as_value(report: Report) -> dict[str, Any]:
    """Return the document; dollars and tokens are not rounded, and null is unknown."""
    policy = report.policy
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "CostReport",
        "note": NO_DECISION,
        "at": exact(report.at),
        "policy": policy.digest,
        "catalog": policy.catalog.digest,
        "assumptions": {
            "digest": assumptions_digest(report.assumed),
            "entries": [each.document() for each in report.assumed.values()],
        },
        "workloads": [_workload(each) for each in report.workloads],
        "articles": [
            {
                "source": each.source,
                "says": each.says,
                "value": each.value,
                "unit": each.unit,
                "stated": each.stated,
                "disputes": list(each.disputes),
            }
            for each in examples_of(policy.catalog)
        ],
    }


def _workload(found: WorkloadCost) -> dict[str, Any]:
    return {
        "workload": found.identity,
        "tasks": [_task(task) for task in found.tasks],
        "plans": [_plan(plan) for plan in found.plans],
    }


def _task(task: TaskCost) -> dict[str, Any]:
    load, reference = task.load, task.reference
    return {
        "name": task.name,
        "share": task.share,
        "input_tokens_per_month": load.prompt,
        "output_tokens_per_month": load.answer,
        "prompt_share": load.prompt_share.document(),
        "tokens_per_request": load.tokens_per_request.document(),
        "to_state": list(task.to_state),
        "options": [_option(each) for each in task.options],
        "against_apis": [_compared(each) for each in task.compared],
        "reference": None if reference is None else {"deployment": reference.option, "model": reference.model},
        "thresholds": [_threshold(each) for each in task.thresholds],
    }


def _option(found: OptionCost) -> dict[str, Any]:
    return {
        "deployment": found.option,
        "status": found.status,
        "rules": list(found.rules),
        "reasons": list(found.reasons),
        "missing": list(found.missing),
        "decision_counts": list(found.decision_counts),
        "lines": [_line(line) for line in found.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    machine = line.machine
    return {
        "model": line.model,
        "qualifies": line.qualifies,
        "chosen": line.chosen,
        "reasons": list(line.reasons),
        "provider": line.provider,
        "paid_for": line.way,
        "owned": None if machine is None else machine.owned,
        "quantization": None if machine is None else machine.quantization,
        "devices_per_replica": None if machine is None else machine.devices,
        "replicas": _range(line.replicas),
        "replica_tokens_per_month": _range(line.curve.capacity if line.curve is not None else None),
        "prompt_usd_per_million_tokens": _range(line.prompt_usd_per_million),
        "answer_usd_per_million_tokens": _range(line.answer_usd_per_million),
        "usd_per_month": _range(line.monthly),
        "at_least": line.at_least,
        "at_least_because": list(line.floors),
        "usd_per_month_by_part": _parts(line.parts),
        "decision_usd_per_month": line.decision_usd,
        "once_usd": {name: cost.document() for name, cost in line.once.items()},
        **_totals(line.outlay),
        "unknown": line.unknown,
        "figures": [_figure(each) for each in line.figures],
        "stale": line.stale,
    }


def _totals(outlay: Outlay | None) -> dict[str, Any]:
    return {
        f"total_{months}_months_usd": None if outlay is None else outlay.total(months).document()
        for months in HORIZONS_MONTHS
    }


def _parts(parts: Mapping[str, Range] | None) -> dict[str, Any] | None:
    return None if parts is None else {name: parts[name].document() for name in PARTS if name in parts}


def _range(found: Range | None) -> dict[str, float] | None:
    return None if found is None else found.document()


def _figure(entry: Entry) -> dict[str, Any]:
    return {
        "figure": entry.key,
        "source": entry.source,
        "as_of": entry.as_of.isoformat(),
        "disputes": list(entry.disputes),
    }


def _compared(each: Compared) -> dict[str, Any]:
    found = each.returns
    return {
        "own": _named(each.own),
        "api": _named(each.api),
        "break_even_tokens_per_month": each.break_even.document(),
        "saving_usd_per_month": _range(found.saving if found else None),
        "saving_at_most": found.floor if found else None,
        "invested_usd": _range(found.invested if found else None),
        "payback_months": found.payback_months.document() if found else None,
        "return_after_36_months_ratio": _range(found.roi if found else None),
    }


def _named(line: Line) -> dict[str, Any]:
    return {
        "deployment": line.option,
        "model": line.model,
        "paid_for": line.way,
        "qualifies": line.qualifies,
        "owned": None if line.machine is None else line.machine.owned,
    }


def _threshold(each: Threshold) -> dict[str, Any]:
    return {
        "what": each.what,
        "criterion": each.criterion,
        "source": each.source,
        "says": list(each.says),
        "unit": each.unit,
        "here": each.here.document(),
        "comparison": each.verdict,
        "against": each.against,
        "by": each.by,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "status": plan.status,
        "routes": [
            {
                "task": route.task,
                "deployment": route.line.option if route.line else None,
                "model": route.line.model if route.line else None,
                "paid_for": route.line.way if route.line else None,
            }
            for route in plan.routes
        ],
        "usd_per_month": _range(plan.monthly),
        "at_least": plan.at_least,
        "usd_per_month_by_part": _parts(plan.parts),
        **_totals(plan.outlay),
    }
