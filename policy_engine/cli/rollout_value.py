"""The answer of `policy rollout` as a value for programs: percent, hours, days, dates; None is unknown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.cli.rollout_run import CRITERIA, Rollout
from policy_engine.decide import format_time
from policy_engine.rollout.moved import candidate_text
from policy_engine.rollout.on_record import Standing
from policy_engine.rollout.risk import TaskRisk
from policy_engine.rollout.stages import START
from policy_engine.rollout.timeline import Bar, days_needed
from policy_engine.rollout.vocabulary import NOTHING


def as_value(found: Rollout) -> dict[str, Any]:
    """Return the plan, where each task stands, and what was decided."""
    workload = found.loaded.workload
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "Rollout",
        "workload": {"namespace": workload.namespace, "name": workload.metadata.name},
        "at": format_time(found.given.at),
        "rules": found.given.rules.digest,
        "stages": [
            {
                "name": stage.name,
                "percent": stage.percent,
                "hours_min": step.hours_min,
                "requests_min": found.given.rules.values.get("requests_min"),
            }
            for step, stage in zip(found.given.plan.steps, found.given.plan.stages, strict=True)
        ],
        "start_percent_stated": found.given.plan.stated,
        "days_min": days_needed(found.given.plan),
        "order": [_risk(each) for each in found.given.risks],
        "watched": [
            {"rule": rule.id, "effect": rule.effect, "title": rule.title, "when": rule.text}
            for rule in found.given.rules.rules
            if rule.effect != "advance"
        ],
        "timeline": _timeline(found),
        "told": _told(found),
        "standings": _standings(found),
        "decision": dict(found.decision) if found.decision is not None else None,
        "decisions": [
            {
                **each.body,
                "entry": each.entry.index,
                "leaf_hash": each.entry.leaf_hash,
                "counts": each.entry.index not in found.overtaken,
            }
            for each in found.decided
        ],
        "notes": [*found.notes, *_notes(found)],
    }


def _risk(risk: TaskRisk) -> dict[str, Any]:
    reasons = [{"id": each.id, "says": each.says, "missing": list(each.missing)} for each in risk.found]
    return {"task": risk.task, "risk": risk.level, "points": risk.points, "reasons": reasons}


def _timeline(found: Rollout) -> dict[str, Any]:
    course = found.timeline

    def bar(each: Bar) -> dict[str, Any]:
        ends = {"first_day": each.first_day, "last_day": each.last_day}
        dates = {"begins": course.day(each.first_day).isoformat(), "ends": course.day(each.last_day).isoformat()}
        return {"name": each.label, **ends, **dates}

    phases = [
        {**bar(phase.bar), "tasks": [{"task": task, "stages": [*map(bar, bars)]} for task, bars in phase.stages]}
        for phase in course.phases
    ]
    return {
        "weeks": course.weeks,
        "weeks_stated": course.weeks_stated,
        "begins": course.start.isoformat(),
        "ends": course.day(course.days).isoformat(),
        "phases": phases,
        "too_short_for": list(course.short_of),
    }


def _told(found: Rollout) -> list[dict[str, Any]]:
    """Return what the rules on rollouts say of the workload, each once."""
    rows: dict[str, dict[str, Any]] = {}
    for task in found.tasks:
        advice = {row["rule"]: row["message"] for row in task["advice"]}
        for row in task["rules"]:
            if row["outcome"] == "fired" and CRITERIA & set(row["criteria"]):
                told = {"rule": row["id"], "criteria": row["criteria"], "says": row["message"]}
                rows.setdefault(row["id"], {**told, "advice": advice.get(row["id"])})
    return list(rows.values())


def _standings(found: Rollout) -> list[dict[str, Any]] | None:
    if found.standings is None:
        return None
    names = [each.task for each in found.given.risks]
    return [_standing(found, name, found.standings.get(name, Standing())) for name in names]


def _standing(found: Rollout, task: str, standing: Standing) -> dict[str, Any]:
    begun = standing.candidate
    return {
        "task": task,
        "candidate": dict(begun) if begun is not None else None,
        "same_candidate": found.given.is_same(task, standing) if begun is not None else None,
        "stage": standing.stage.document() if standing.has_begun else None,
        "since": format_time(standing.since) if standing.since is not None else None,
        "complete": standing.is_complete,
        "last": {"decision": standing.step or "unread", "entry": standing.last["index"]}
        if standing.last is not None
        else None,
        "roll_backs": [
            {"entry": each.entry, "at": format_time(each.decided_at), "percent": each.percent}
            for each in standing.roll_backs
        ],
        "overtaken": list(standing.overtaken),
        "unread": list(standing.unread),
    }


def _notes(found: Rollout) -> list[str]:
    """Return what has to be said of the plan."""
    notes, values = [], found.given.rules.values
    start, low = found.given.plan.stages[0].percent, float(values["rollout_start_percent_min"])
    if next(iter(found.given.facts.values())).get(START) == NOTHING:
        notes.append(
            "the workload starts with 0 percent of traffic, which is no start: what has begun goes by the stages of "
            "the rules, and nothing else begins"
        )
    elif not found.given.plan.stated:
        notes.append(f"the workload does not say where it starts: {start:g} percent is the least that is advised")
    elif start < low:
        notes.append(
            f"it starts with {start:g} percent of traffic, below the {low:g} percent that are advised at least"
        )
    if not found.timeline.weeks_stated:
        notes.append(f"no weeks are planned: the timeline is of {found.timeline.weeks:g}, the longest that is usual")
    if found.timeline.short_of:
        needed = days_needed(found.given.plan)
        names = ", ".join(found.timeline.short_of)
        notes.append(f"the timeline is too short for {names}: the stages take {needed:g} days at least")
    if found.given.risks[0].level != "low":
        notes.append(
            f"no task is of low risk: {found.given.risks[0].task} comes first, with {found.given.risks[0].level} risk"
        )
    notes += [note for name, standing in (found.standings or {}).items() for note in _past(found, name, standing)]
    return [*notes, *_to_take_back(found)]


def _to_take_back(found: Rollout) -> Iterator[str]:
    """Yield the tasks that are to be taken back: the workload is denied, or they move to something else by now."""
    for each in found.given.risks:
        standing = (found.standings or {}).get(each.task, Standing())
        if standing.candidate is None:
            continue
        command = f"`policy rollout FILE --task {shlex.quote(each.task)} --observations /dev/null` takes it back"
        where = "complete" if standing.is_complete else f"at {standing.stage.percent:g} percent"
        if found.given.verdict == "deny":
            yield f"the workload is denied, and {each.task} is {where}: {command}"
        if found.given.is_same(each.task, standing) is False:
            replaces = found.loaded.workload.spec.migration != "none"
            judged = f"{candidate_text(found.given.candidates[each.task])} is judged"
            is_now = judged if replaces else "the workload replaces nothing by now"
            yield f"{each.task} is {where} with {candidate_text(standing.candidate)}, and {is_now}: {command}"


def _past(found: Rollout, task: str, standing: Standing) -> list[str]:
    """Return what was before the decisions of this call, and has to be known."""
    notes, new = [], {each.entry.index for each in found.decided}
    for each in standing.roll_backs:
        if each.entry not in new:
            when = format_time(each.decided_at)
            notes.append(f"{task} was rolled back from {each.percent:g} percent at {when}, by the entry {each.entry}")
    before = (found.before or {}).get(task, Standing())
    if before.rules is not None and before.rules != found.given.rules.digest:
        notes.append(f"the rules of rollouts are others than {task} was decided by last")
    if left := [index for index in standing.overtaken if index not in new]:
        notes.append(f"of {task} the entries {', '.join(map(str, left))} do not count: another decision came before")
    if standing.unread:
        entries = ", ".join(map(str, standing.unread))
        notes.append(f"of {task} the entries {entries} cannot be read: each may be a roll back, and counts as one")
    return notes


def risk_text(row: Mapping[str, Any]) -> str:
    """Return why a task is as risky as it is."""
    words = [
        each["says"] + (f" ({', '.join(each['missing'])} not known)" if each["missing"] else "")
        for each in row["reasons"]
    ]
    return "; ".join(words) or "no risk is known of it"
