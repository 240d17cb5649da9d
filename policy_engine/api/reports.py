"""`/v1/reports`: the officer's named reports, as `policy audit report -o json` has them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.officer_reads import UNTOLD
from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import answers, in_path, problems
from policy_engine.api.parameters import Parameter, documented, number, read, text
from policy_engine.api.recorded import FILTERS
from policy_engine.api.requests import principal_of, record_read, service_of
from policy_engine.api.schemas import COUNT, NULLABLE, SCHEMAS, STRING, TIME, listed, opened
from policy_engine.asking.reporting import report_value
from policy_engine.reports.registry import FILTERS as DECISION_FILTERS
from policy_engine.reports.registry import REPORTS
from policy_engine.service import reports
from policy_engine.service.reports import NOT_SERVED

router = APIRouter()
_SPELLED = {"verdict": "verdicts", "vkey": "vkeys"}
_OWN = (
    number("sample", 1, 1_000_000, "soc2-population: a random sample of so many."),
    text("seed", "With `sample`: what decides the sample."),
    text("before", "rule-impact: the policy before the change."),
    text("after", "rule-impact: the policy after it."),
    text("subject", "access: whose values; the whole value."),
    number("within", 1, 36_500, "waivers: what is expiring, in days; 14 where nothing is said."),
    number("longest", 1, 876_000, "gaps: what is no gap yet, in hours; 24 where nothing is said."),
    text("vkey", "integrity: a verifier key that you pinned; repeatable.", many=True),
    text("origin", "integrity: the log's name that you pinned."),
)
_ALL: dict[str, Parameter] = {_SPELLED.get(each.name, each.name): each for each in (*FILTERS, *_OWN)}
_TAKEN = frozenset().union(*(named.takes for named in REPORTS.values())) - NOT_SERVED
SCHEMAS.update(
    {
        "Report": {
            "description": "A report, as `policy audit report NAME -o json` has it, bound to a signed checkpoint.",
            **opened(
                {
                    "kind": {"const": "Report"},
                    "name": STRING,
                    "title": STRING,
                    "generated_at": TIME,
                    "as_of": NULLABLE,
                    "population": COUNT,
                    "counted": STRING,
                    "checkpoint": opened({"origin": STRING, "size": COUNT, "root": STRING, "note": STRING}),
                    "ok": {"type": "boolean"},
                    "columns": listed(opened({"name": STRING, "kind": STRING})),
                    "rows": listed({"type": "object"}),
                    "remarks": listed(STRING),
                }
            ),
        },
        "ReportList": opened({"kind": {"const": "ReportList"}, "reports": listed({"type": "object"})}),
    }
)


def parameters_of(name: str) -> list[Parameter]:
    """Return the parameters that a report takes."""
    return [each for option, each in _ALL.items() if option in REPORTS[name].takes - NOT_SERVED]


def filters_of_decisions() -> list[Parameter]:
    """Return the parameters that select decisions, of a report or an export."""
    return [_ALL[name] for name in _ALL if name in (DECISION_FILTERS - {"as_of"}) | {"expired", "at"}]


def options_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as the options of the command line that they are."""
    return {_SPELLED.get(name, name): value for name, value in asked.items()}


@router.get(
    "/v1/reports",
    responses={**answers({"$ref": "#/components/schemas/ReportList"}, "The reports."), **problems(400, 401, 403, 503)},
)
async def list_reports(request: Request) -> Response:
    """List the named reports, and the parameters that each takes. Role `read`."""
    await principal_of(request, "read")
    read(request, ())
    rows = [
        {
            "name": name,
            "title": named.title,
            "says": named.says,
            "takes": sorted(each.name for each in parameters_of(name)),
        }
        for name, named in REPORTS.items()
    ]
    return Response(json_bytes({"kind": "ReportList", "reports": rows}), media_type="application/json")


@router.get(
    "/v1/reports/{name}",
    responses={
        **answers({"$ref": "#/components/schemas/Report"}, "The report."),
        **problems(400, 401, 403, 404, 422, 429, _503="The ledger refused, or the report takes too long: export it."),
    },
    openapi_extra={
        "parameters": [
            in_path("name", "Which report.", {"type": "string", "enum": list(REPORTS)}),
            *documented([each for option, each in _ALL.items() if option in _TAKEN])["parameters"],
        ]
    },
)
async def show_report(request: Request) -> Response:
    """Make a named report with the parameters that it takes. Role `read`; that it was read is on record first."""
    principal = await principal_of(request, "read")
    name = request.path_params["name"]
    reports.check_report(name)
    asked = read(request, parameters_of(name))
    found = await reports.report(service_of(request), principal, name, options_of(asked), command_of(request))
    await record_read(request, f"audit report {name}", found.population)
    body = await service_of(request).reporter.make(lambda: json_bytes(report_value(found)), 30)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def command_of(request: Request) -> str:
    """Return the request that asks this again; who is asked about is the asker's own word, and is not told here."""
    words = [(name, UNTOLD.get(name, value)) for name, value in request.query_params.multi_items()]
    plain = re.sub(r"[^\x20-\x7e]", "", request.path_params["name"])
    return f"GET /v1/reports/{plain}" + (f"?{urlencode(words)}" if words else "")
