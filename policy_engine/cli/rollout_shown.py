"""The answer of `policy rollout` as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.cli.rollout_chart import chart
from policy_engine.cli.rollout_value import risk_text
from policy_engine.cli.sections import Section
from policy_engine.rollout.moved import candidate_text
from policy_engine.wording import number

_WORDS = {"advance": "ADVANCE", "hold": "HOLD", "roll_back": "ROLL BACK", "complete": "COMPLETE"}
_EFFECTS = {"roll_back": "roll back", "hold": "hold"}


def as_sections(value: Mapping[str, Any]) -> list[Section]:
    """Return what was decided, where the tasks stand, and of a call that decided nothing the whole plan."""
    workload = value["workload"]
    title = f"Rollout of {workload['namespace']}/{workload['name']}"
    if value["decisions"]:
        rest = [_standings(value), Section(title="To note", lines=_notes(value))]
        found = [_decision(title, value), *map(_step, value["decisions"]), *rest]
    else:
        course = value["timeline"]
        pairs = [
            ("stages", " -> ".join(f"{each['percent']:g}" for each in value["stages"]) + " percent of the traffic"),
            ("at least", f"{value['days_min']:g} days for each task"),
            ("rules", value["rules"]),
            ("timeline", f"{course['weeks']:g} weeks, {course['begins']} to {course['ends']}"),
        ]
        found = [
            Section(title=title, pairs=pairs),
            _stages(value),
            _order(value),
            _watched(value),
            _timeline(value),
            _standings(value),
            Section(title="What the rules say", lines=[_told(each) for each in value["told"]]),
            Section(title="To note", lines=_notes(value)),
        ]
    return [each for each in found if each.lines or each.pairs or each.rows or each.block]


def _decision(title: str, value: Mapping[str, Any]) -> Section:
    ground = value["decision"]
    said = f"{ground['verdict']}, in the entry {ground['entry']} ({ground['decision'][:12]})"
    return Section(title=title, pairs=[("the workload", said), ("decided at", value["at"]), ("rules", value["rules"])])


def _step(body: Mapping[str, Any]) -> Section:
    step, stage = body["decision"], body["stage"]
    on = "nothing has begun" if stage["percent"] == 0 else f"{stage['percent']} percent"
    where = {
        "advance": f"from {stage['percent']} to {(body['next'] or stage)['percent']} percent",
        "hold": on if stage["percent"] == 0 else f"at {on}",
        "roll_back": f"from {stage['percent']} percent to the current model alone",
        "complete": f"at {stage['percent']} percent",
    }[step]
    seen = body["observations"]
    lines = [f"{each['says']} ({each['rule']})" for each in body["reasons"]]
    counted = f"{seen['count']:,} observations, {seen['first']} to {seen['last']}" if seen["count"] else "none"
    pairs = [
        ("candidate", candidate_text(body["candidate"])),
        ("observed", counted),
        ("recorded", f"entry {body['entry']}"),
    ]
    lost = "" if body["counts"] else " (DOES NOT COUNT)"
    return Section(title=f"{_WORDS[step]}  {body['task']}, {where}{lost}", pairs=pairs, lines=lines)


def _stages(value: Mapping[str, Any]) -> Section:
    rows = [
        (each["name"], f"{each['percent']:g}", f"{each['hours_min']:g}", _or_none(each["requests_min"]))
        for each in value["stages"]
    ]
    header = ("Stage", ">Percent", ">Hours at least", ">Requests of each model at least")
    return Section(title="Stages", header=header, rows=rows)


def _or_none(value: float | None) -> str:
    return "-" if value is None else number(value)


def _order(value: Mapping[str, Any]) -> Section:
    rows = [
        (str(place), each["task"], f"{each['risk']} ({each['points']})", risk_text(each))
        for place, each in enumerate(value["order"], 1)
    ]
    return Section(title="Order, the lowest risk first", header=(">#", "Task", "=Risk", "~Because"), rows=rows)


def _watched(value: Mapping[str, Any]) -> Section:
    rows = [(_EFFECTS[each["effect"]], each["title"], each["rule"]) for each in value["watched"]]
    return Section(title="Watched in each stage", header=("=Then", "Where", "=Rule"), rows=rows)


def _timeline(value: Mapping[str, Any]) -> Section:
    course = value["timeline"]
    rows = [(each["name"], f"{each['begins']} to {each['ends']}") for each in course["phases"]]
    return Section(
        title="Timeline (# and - are the stages in turn)", header=("Phase", "=Dates"), rows=rows, block=chart(course)
    )


def _standings(value: Mapping[str, Any]) -> Section:
    rows = []
    for each in value["standings"] or ():
        last, stage = each["last"], each["stage"]
        on = "complete" if each["complete"] else "not begun" if stage is None else f"{stage['percent']} percent"
        on += ", of another candidate" if each["same_candidate"] is False else ""
        said = "-" if last is None else f"{last['decision'].replace('_', ' ')}, entry {last['entry']}"
        rows.append((each["task"], on, each["since"] or "-", said))
    return Section(title="On record", header=("Task", "=Stage", "=Since", "Last decision"), rows=rows)


def _told(row: Mapping[str, Any]) -> str:
    advice = f" {row['advice']}" if row["advice"] else ""
    return f"{row['says']}{advice} ({row['rule']})"


def _notes(value: Mapping[str, Any]) -> list[str]:
    return list(value["notes"])
