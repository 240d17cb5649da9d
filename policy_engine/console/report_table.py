"""A report as a table of a page, and where it has a time, as bars over the days with their counts in a table."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from policy_engine.console import links
from policy_engine.console.cells import Cell as Shown
from policy_engine.console.cells import Code, Column, Lines, Mark, Table, Verdict, When, columns
from policy_engine.console.charts import Chart, stacked_bars
from policy_engine.reports.activity import MOST_DAYS, VERDICTS
from policy_engine.reports.report import Cell, Report

MOST_ROWS = 200
_DIGITS = 12
_KINDS = {"count": "number", "digest": "tight", "time": "tight"}
#: A column of this name is when what its row is about was recorded; of one with a verdict the bars are by verdict.
_TIME, _VERDICT = "recorded_at", "verdict"
_MOST_BARS = 60
_WEEK = 7


def report_table(report: Report) -> Table:
    """Return the first rows of a report; a column in which no row says anything is left out."""
    places = [at for at, _ in enumerate(report.columns) if any(row[at] not in (None, ()) for row in report.rows)]
    chosen = [report.columns[at] for at in places]
    heads = tuple(Column(each.heading, _KINDS.get(each.kind, "text")) for each in chosen)
    rows = [
        [_cell(row[at], each.kind, each.name) for at, each in zip(places, chosen, strict=True)]
        for row in report.rows[:MOST_ROWS]
    ]
    empty = "Nothing on record fits. Leave a filter out, or choose a longer period."
    return Table(report.title, heads, rows, empty, hidden_caption=True, stacked=len(heads) <= 8)


def plain(value: Cell) -> Shown:
    """Return a value of a report's summary."""
    return _cell(
        value, "time" if isinstance(value, str) and value[10:11] == "T" and value.endswith("Z") else "text", ""
    )


def _cell(value: Cell, kind: str, name: str) -> Shown:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return Lines(value) if value else None
    if isinstance(value, int):
        return str(value) if kind == "entry" else value
    if name == _VERDICT and value in VERDICTS:
        return Verdict(value)
    if name == "rule":
        return links.rule(value)
    if kind == "time":
        return When(value)
    return Code(value, _DIGITS) if kind == "digest" else value


def over_time(report: Report) -> tuple[Chart, Table] | None:
    """Return how many rows there are of each day, or week, and that as a table; None where rows have no such time."""
    names = [column.name for column in report.columns]
    if _TIME not in names or len(report.rows) < 2:
        return None
    when = names.index(_TIME)
    verdict = names.index(_VERDICT) if _VERDICT in names else None
    series = VERDICTS if verdict is not None else ("rows",)
    days: list[tuple[date, str]] = [
        (date.fromisoformat(str(row[when])[:10]), str(row[verdict]) if verdict is not None else series[0])
        for row in report.rows
        if row[when] is not None
    ]
    return _bars(report, days, series) if days else None


def _bars(report: Report, days: list[tuple[date, str]], series: tuple[str, ...]) -> tuple[Chart, Table]:
    first, last = min(day for day, _ in days), max(day for day, _ in days)
    length = 1 if (last - first).days < MOST_DAYS else _WEEK
    while (last - first).days // length >= _MOST_BARS:
        length *= 2
    found: Counter[tuple[int, str]] = Counter(((day - first).days // length, kind) for day, kind in days)
    count = (last - first).days // length + 1
    counts = [[found[at, kind] for kind in series] for at in range(count)]
    begins = [first + timedelta(days=at * length) for at in range(count)]
    each = "day" if length == 1 else f"{length} days"
    chart = stacked_bars(
        f"{report.title}: {report.counted} of each {each}", [f"{d.day} {d:%b}" for d in begins], series, counts
    )
    rows: list[tuple[Any, ...]] = [
        (begin.isoformat(), *row, *([sum(row)] if len(series) > 1 else []))
        for begin, row in zip(reversed(begins), reversed(counts), strict=True)
        if sum(row)
    ]
    heads = [f">{name.replace('_', ' ').capitalize()}" for name in series] + ([">All"] if len(series) > 1 else [])
    table = Table(f"Of each {each}", columns("=Day" if length == 1 else "=From", *heads), rows, stacked=False)
    return chart, table


def ok_mark(report: Report) -> Mark | None:
    """Return that something which the report verified did not verify."""
    return None if report.ok else Mark("something did not verify", "bad")
