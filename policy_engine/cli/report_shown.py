"""A report, as JSON and as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policy_engine.cli.output import Writer
from policy_engine.cli.sections import Section, report_writers

if TYPE_CHECKING:
    from policy_engine.reports.report import Cell, Report

_NUMBERS = ("count", "entry")
_WHOLE = ("time", "digest", "flag")
_MOST_COLUMNS = 7


def writers(report: Report) -> Mapping[str, Writer]:
    """Return a writer of the report for each format."""
    from policy_engine.asking.reporting import report_value

    return report_writers(lambda: report_value(report), lambda: as_sections(report))


def as_sections(report: Report) -> list[Section]:
    """Return the report as people read it; a wide one is a list of records instead of a table."""
    checkpoint = report.checkpoint
    period = f"{report.period.since or 'the beginning'} to before {report.period.until or 'the end of the record'}"
    head = [
        ("Asked", report.query.words),
        ("Again", report.query.command),
        ("Period", period),
        *([("As of", report.as_of)] if report.as_of is not None else []),
        *([("At", report.at)] if report.at is not None else []),
        ("Population", f"{report.population:,} {report.counted}"),
        ("Checkpoint", f"{checkpoint.size:,} entries of `{checkpoint.origin}`"),
        ("Root", checkpoint.root),
        ("Generated", report.generated_at),
    ]
    found = [Section(report.title, pairs=head)]
    if report.summary:
        found.append(Section(pairs=[(name, _cell(value, "text")) for name, value in report.summary]))
    found += _rows(report)
    return [*found, Section("What it does not prove", lines=report.remarks)] if report.remarks else found


def _rows(report: Report) -> list[Section]:
    if not report.rows:
        return [Section(lines=["nothing on record fits"])]
    # a column in which no row says anything is left out here, and nowhere else
    places = [at for at, _ in enumerate(report.columns) if any(row[at] not in (None, ()) for row in report.rows)]
    columns = [report.columns[at] for at in places]
    cells = [[_cell(row[at], report.columns[at].kind) for at in places] for row in report.rows]
    if len(columns) <= _MOST_COLUMNS:
        marks = [
            ">" if each.kind in _NUMBERS else "=" if each.kind in _WHOLE and not last else "~" if last else ""
            for each, last in ((each, each is columns[-1]) for each in columns)
        ]
        header = [f"{mark}{each.heading}" for mark, each in zip(marks, columns, strict=True)]
        return [Section(header=header, rows=cells)]
    names = [each.heading for each in columns]
    return [
        Section(f"{number:,} of {len(cells):,}", pairs=[pair for pair in zip(names, row, strict=True) if pair[1]])
        for number, row in enumerate(cells, start=1)
    ]


def _cell(value: Cell, kind: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if kind == "entry" else f"{value:,}"
    if isinstance(value, tuple):
        return ", ".join(value)
    return value[:19].replace("T", " ") if kind == "time" else value
