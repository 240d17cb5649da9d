"""`/reports`: the officer's named reports, each with its form, its rows, and what it does not prove."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import choice, read_items
from policy_engine.api.problems import status_of
from policy_engine.api.reports import command_of, options_of, parameters_of
from policy_engine.api.requests import record_read, service_of
from policy_engine.console.cells import Cell, Code, Link, Mark, Table, When, columns
from policy_engine.console.filters import asked, check_names, given, is_wrong, refusal, takes_what_it_checks
from policy_engine.console.forms import Field
from policy_engine.console.report_table import MOST_ROWS, ok_mark, over_time, plain, report_table
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.errors import InputError, RecordingError, UsageError
from policy_engine.reports.registry import NO_VERDICT, REPORTS
from policy_engine.reports.report import Report
from policy_engine.service import reports as served
from policy_engine.service.exports import TABLES

router = page_router()
#: What the button sends: a report is made when it is asked for, and not when its form is opened.
MAKE = "make"
_MADE = (choice(MAKE, ("1",), "Make the report."),)
FORMAT = Field("format", "Format", "select", "csv", tuple((each, each.upper()) for each in TABLES))
PERSONAL = Field("with_personal", "With the names of persons", "check")


@router.get("/reports")
async def reports(request: Request) -> Response:
    """List the named reports."""
    principal = await principal_of_page(request, "read")
    whole = principal.namespaces is None
    rows = [
        (
            Link(named.title, url("/reports", name), name),
            named.says.replace("--", ""),
            Mark("all namespaces" if whole else "one namespace", "plain")
            if named.takes >= NO_VERDICT
            else Mark("whole ledger", "plain" if whole else "warn"),
        )
        for name, named in REPORTS.items()
    ]
    table = Table("Reports", columns("Report", "~What it answers", "About"), rows, hidden_caption=True)
    return await page(request, "reports.html", "Reports", table=table, whole=whole)


@router.get("/reports/{name}")
@takes_what_it_checks
async def report(request: Request, name: str) -> Response:
    """Show the form of a report, and the report where it was asked for."""
    principal = await principal_of_page(request, "read")
    served.check_report(name)
    known = parameters_of(name)
    check_names(request.query_params.multi_items(), [MAKE, *(each.name for each in known)])
    made = read_items([each for each in request.query_params.multi_items() if each[0] == MAKE], _MADE)[MAKE]
    items = [each for each in request.query_params.multi_items() if each[0] != MAKE]
    values, fields = asked(items, known)
    found: Report | None = None
    refused: str | None = None
    status = 400
    if made and not is_wrong(fields):
        try:
            found = await served.report(service_of(request), principal, name, options_of(values), command_of(request))
            await record_read(request, f"audit report {name}", found.population)
        except (InputError, UsageError) as error:
            refused = refusal(error.problems[0])
        except RecordingError as error:
            if error.code != "report-timeout":
                raise
            refused, status = f"{refusal(replace(error.problems[0], help=None))} Export it instead.", status_of(error)
    wanted = {each.name for each in known}
    return await page(
        request,
        "report.html",
        REPORTS[name].title,
        status=status if is_wrong(fields) or refused else 200,
        name=name,
        says=REPORTS[name].says.replace("--", ""),
        fields=fields,
        refused=refused,
        kept=[each for each in given(items) if each[0] in wanted],
        shown=_shown(found) if found is not None else None,
        opened=found is None or is_wrong(fields) or refused is not None,
        export=[FORMAT, PERSONAL],
    )


def _shown(report: Report) -> dict[str, Any]:
    series = over_time(report)
    return {
        "head": _head(report),
        "summary": [(name.capitalize(), plain(value)) for name, value in report.summary],
        "table": report_table(report),
        "left_out": max(0, len(report.rows) - MOST_ROWS),
        "most": MOST_ROWS,
        "remarks": report.remarks,
        "mark": ok_mark(report),
        "chart": series[0] if series else None,
        "series": series[1] if series else None,
        "population": f"{report.population:,} {report.counted}",
    }


def _head(report: Report) -> list[tuple[str, Cell]]:
    period = report.period
    found: list[tuple[str, Cell]] = [
        ("Asked", report.query.words),
        ("Recorded from", When(period.since) if period.since else "the beginning"),
        ("Recorded before", When(period.until) if period.until else "the end of the record"),
        ("Population", f"{report.population:,} {report.counted}"),
        ("Checkpoint", f"{report.checkpoint.size:,} entries of {report.checkpoint.origin}"),
        ("Root", Code(report.checkpoint.root)),
        ("Made", When(report.generated_at)),
    ]
    found += [("As of", When(report.as_of))] if report.as_of else []
    return [*found, *([("At", When(report.at))] if report.at else [])]
