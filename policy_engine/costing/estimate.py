"""The cost of a workload: each task by option and model, what self-running gives back, and plans over all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.costing.compared import Compared, compare
from policy_engine.costing.lines import Line, Load, Setting, lines_of
from policy_engine.costing.moving import move_of
from policy_engine.costing.plans import Plan, plans_of
from policy_engine.costing.speeds import Assumptions
from policy_engine.costing.thresholds import Threshold, thresholds_of
from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.judging import Judge
from policy_engine.model.ranges import exactly
from policy_engine.model.task_case import Status, TaskCase, TaskResult
from policy_engine.model.vocabulary import OPTIONS

_VOLUME = ("volume.input_tokens_per_month", "volume.output_tokens_per_month")


class OptionCost(Struct, frozen=True):
    """An option for a task: its status by the rules and the catalog, why, and the models that it could run.

    `decision_counts` is what a decision's figure for the chosen model is made of, in words.
    """

    option: str
    status: Status
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    lines: tuple[Line, ...]
    decision_counts: tuple[str, ...]


class TaskCost(Struct, frozen=True):
    """One task with all that it could run on."""

    name: str
    share: float | None
    load: Load
    to_state: tuple[str, ...]
    options: tuple[OptionCost, ...]
    reference: Line | None
    compared: tuple[Compared, ...]
    thresholds: tuple[Threshold, ...]

    @property
    def lines(self) -> list[Line]:
        return [line for option in self.options for line in option.lines]


class WorkloadCost(Struct, frozen=True):
    """One workload: its tasks, and where it has several, plans over all of them."""

    identity: str
    tasks: tuple[TaskCost, ...]
    plans: tuple[Plan, ...]


def estimate(identity: str, cases: Sequence[TaskCase], judge: Judge, assumed: Assumptions) -> WorkloadCost:
    """Return what a workload costs. Its cases are judged for the statuses of options alone; nothing is recorded."""
    results = [judge.judge(case) for case in cases]
    tasks = tuple(_task(result, judge, assumed) for result in results)
    chosen = [result.ranking.recommended or result.ranking.provisional for result in results]
    return WorkloadCost(identity, tasks, plans_of(tasks, chosen, assumed) if len(tasks) > 1 else ())


def _task(result: TaskResult, judge: Judge, assumed: Assumptions) -> TaskCost:
    catalog, facts = judge.policy.catalog, result.facts
    load = _load(facts, assumed)
    move = move_of(facts, catalog, assumed)
    setting = Setting(catalog, result.case.day, assumed, load, result.case.hardware, move)
    options = tuple(_option(result, option, setting) for option in OPTIONS)
    lines = [line for each in options for line in each.lines]
    reference = _reference(facts, catalog, lines, str(judge.parameters["reference_model"]))
    compared = tuple(compare(lines))
    return TaskCost(
        name=facts["task.name"],
        share=facts.get("task.share"),
        load=load,
        to_state=tuple(name for name in (*_VOLUME, "task.share") if facts.get(name) is None),
        options=options,
        reference=reference,
        compared=compared,
        thresholds=thresholds_of(judge.policy.rules.parameters, compared, _open_lines(options), reference, load),
    )


def _open_lines(options: Sequence[OptionCost]) -> list[Line]:
    """Return the open models with a cost that may be used, or are not known not to be."""
    able = [each for each in options if each.option != "proprietary_api" and each.status in ("permitted", "uncertain")]
    lines = [line for each in able for line in each.lines]
    return [line for line in lines if line.curve is not None and line.qualifies is not False]


def _load(facts: dict[str, Any], assumed: Assumptions) -> Load:
    sent, answered = (facts.get(name) for name in _VOLUME)
    share = facts.get("task.share")
    requests = facts.get("volume.requests_per_day")
    per_request = assumed["tokens_per_request"].range
    prompt_share = assumed["prompt_share"].range
    if sent is not None and answered is not None and sent + answered > 0:
        prompt_share = exactly(sent / (sent + answered))
        if requests:
            per_request = exactly(max(1.0, (sent + answered) / (requests * DAYS_PER_MONTH)))
    window = facts.get("task.context_tokens")
    if window is not None:
        per_request = per_request.each(lambda tokens: min(tokens, float(window)))
    if sent is None or answered is None or share is None:
        return Load(None, None, prompt_share, per_request)
    return Load(float(sent * share), float(answered * share), prompt_share, per_request)


def _option(result: TaskResult, option: str, setting: Setting) -> OptionCost:
    standing, models = result.standings[option], result.models[option]
    lines = [
        line for found in models.considered for line in lines_of(setting, option, found, found.name == models.model)
    ]
    return OptionCost(
        option=option,
        status=standing.status,
        rules=tuple(standing.rules),
        reasons=tuple(models.why),
        missing=tuple(sorted(standing.missing)),
        lines=tuple(sorted(lines, key=_order)),
        decision_counts=tuple(part.what for part in models.cost.parts) if models.cost is not None else (),
    )


def _order(line: Line) -> tuple[bool, float, str, str]:
    cost = line.monthly.central if line.monthly is not None else None
    if cost is None and line.curve is not None:
        cost = line.curve.at(1e9).central
    return cost is None, cost or 0.0, line.model, line.way or ""


def _reference(facts: dict[str, Any], catalog: Catalog, lines: Sequence[Line], default: str) -> Line | None:
    """Return the API that the articles' thresholds are held against: in use, else proposed, else the policy's own."""
    paid = [line for line in lines if line.option not in SELF_RUN and line.curve is not None]
    for where, name in (
        (facts.get("migration.from.deployment"), facts.get("migration.from.model")),
        (facts.get("proposal.deployment"), facts.get("proposal.model")),
        ("proprietary_api", default),
    ):
        model = catalog.model(name)
        found = [line for line in paid if model is not None and (line.option, line.model) == (where, model.key)]
        if found:
            return found[0]
    return None
