"""The timeline of `policy rollout` as bars: of characters, or drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from policy_engine.cli.rollout_run import Rollout

_WIDTH = 42
_LABEL = 36


def chart(course: Mapping[str, Any]) -> str:
    """Return the bars of a timeline, a row for each phase and for each task in it; empty where it has no time."""
    end = course["phases"][-1]["last_day"]
    if end <= 0:
        return ""
    marks = [" "] * (_WIDTH + 8)
    for phase in course["phases"]:
        place, text = _place(phase["first_day"], end), f"{phase['first_day'] / 7 + 1:g}"
        marks[place : place + len(text)] = text
    lines = [f"{'week':<{_LABEL}}{''.join(marks).rstrip()}"]
    for phase in course["phases"]:
        lines.append(_row(phase["name"], [phase], end, "="))
        lines += [_row(f"  {task['task']}", task["stages"], end, "#") for task in phase["tasks"]]
    return "\n".join(lines)


def _row(label: str, bars: list[Mapping[str, Any]], end: float, mark: str) -> str:
    cells = [" "] * _WIDTH
    for number, bar in enumerate(bars):
        first, last = _place(bar["first_day"], end), _place(bar["last_day"], end)
        cells[first:last] = (mark if number % 2 == 0 else "-") * (last - first)
    shown = label if len(label) < _LABEL else f"{label[: _LABEL - 4]}..."
    return f"{shown:<{_LABEL}}{''.join(cells).rstrip()}"


def _place(day: float, end: float) -> int:
    return round(_WIDTH * day / end)


def draw(path: Path, found: Rollout) -> None:
    """Draw the timeline, which has some time.

    Raises:
        UsageError: the picture cannot be written.
    """
    from policy_engine.plots.gantt import Piece, Row, draw_gantt

    course = found.timeline
    rows: list[Row] = []
    for phase in course.phases:
        bar = phase.bar
        rows.append(Row(bar.label, [Piece("", bar.first_day, bar.last_day)]))
        for task, bars in phase.stages:
            rows.append(Row(f"  {task}", [Piece(_percent(b.label), b.first_day, b.last_day) for b in bars]))
    marks = [phase.bar.first_day for phase in course.phases]
    last: date = course.day(course.days)
    title = f"Rollout of {found.loaded.workload.identity}, {course.start} to {last}"
    draw_gantt(path, title, course.start, rows, marks)


def _percent(stage: str) -> str:
    return f"{stage.removesuffix('-percent')} %"
