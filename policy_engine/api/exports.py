"""`/v1/exports`: what takes long, as jobs with progress, and an archive to be fetched."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from policy_engine.access.officer_reads import MOST_TEXT, UNTOLD
from policy_engine.api.bodies import json_of
from policy_engine.api.documents import NO_STORE, json_bytes
from policy_engine.api.openapi import answers, in_path, json_body, parameters, problems
from policy_engine.api.parameters import read, read_items
from policy_engine.api.ranges import refused_range
from policy_engine.api.reports import filters_of_decisions, options_of, parameters_of
from policy_engine.api.requests import authorization_of, principal_of, record_read, service_of
from policy_engine.api.schemas import COUNT, NULLABLE, SCHEMAS, STRING, TIME, closed
from policy_engine.asking.exporting import FORMATS
from policy_engine.errors import Problem, UsageError
from policy_engine.exports.evidence import MODES
from policy_engine.reports.registry import REPORTS
from policy_engine.service.exports import DECISIONS, LOG, Wanted
from policy_engine.service.jobs import KEPT_SECONDS, Job
from policy_engine.service.reports import check_report
from policy_engine.wording import printable

router = APIRouter()
_ID = in_path("id", "The export's id.", {"type": "string", "pattern": "^[0-9a-f]{24}$"})
_FILTER = {"type": ["string", "integer", "boolean", "array"], "items": STRING, "minItems": 1}
_EMPTY = "name what is wanted, or leave the filter out"
_MAYBE: dict[str, Any] = {"type": ["object", "null"]}
SCHEMAS.update(
    {
        "ExportOrder": closed(
            {
                "report": {"type": "string", "enum": [DECISIONS, LOG, *(n for n in REPORTS if n != DECISIONS)]},
                "format": {"type": "string", "enum": list(FORMATS)},
            },
            {
                "filters": {
                    "type": "object",
                    "description": "As the parameters of the report.",
                    "additionalProperties": _FILTER,
                },
                "proofs": {"type": ["string", "null"], "enum": [*MODES, None]},
                "with_personal": {"type": "boolean", "default": False},
                "documents": {"type": "boolean", "default": False},
            },
        ),
        "Export": closed(
            {
                "kind": {"const": "ExportJob"},
                "id": STRING,
                "state": {"enum": ["queued", "running", "done", "failed"]},
                "report": STRING,
                "format": STRING,
                "created_at": TIME,
                "expires_at": TIME,
                "progress": closed({"done": COUNT, "total": COUNT, "share": {"type": ["number", "null"]}}),
                "error": _MAYBE,
                "result": _MAYBE,
                "sha256": NULLABLE,
                "bytes": {"type": ["integer", "null"]},
                "links": closed({"self": STRING, "content": NULLABLE}),
            }
        ),
    }
)
_EXPORT = {"$ref": "#/components/schemas/Export"}
_REFUSED = problems(400, 401, 403, 404, 429, 503)


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be exported; `filters` are the parameters of the report of this name."""

    report: str
    format: str
    filters: dict[str, str | int | bool | list[str]] = {}
    proofs: str | None = None
    with_personal: bool = False
    documents: bool = False


@router.post(
    "/v1/exports",
    responses={
        **answers(_EXPORT, "It has begun.", status=202, headers={"Location": "Its state."}),
        **problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    },
    openapi_extra=json_body(
        {"$ref": "#/components/schemas/ExportOrder"},
        example={"report": "decisions", "format": "csv", "filters": {"since": "2026-07-01", "verdict": ["deny"]}},
    ),
)
async def begin_export(request: Request) -> Response:
    """Begin an export of decisions, of the log, or of a report. Role `read`; the export is on record."""
    principal = await principal_of(request, "read")
    read(request, ())
    order = await json_of(request, Order)
    exporter, loop = service_of(request).exporter, asyncio.get_running_loop()
    given = filters_of(order)
    wanted = Wanted(
        order.report, order.format, given, order.proofs, order.with_personal, order.documents, command_of(order)
    )
    job = await asyncio.to_thread(exporter.start, principal, authorization_of(request), wanted, loop)
    answer = _json(export_shown(job), 202)
    answer.headers["Location"] = f"/v1/exports/{job.id}"
    return answer


@router.get("/v1/exports/{id}", responses={**answers(_EXPORT, "Its state."), **_REFUSED}, openapi_extra=parameters(_ID))
async def show_export(request: Request) -> Response:
    """Say how far an export is. Whoever asked for it, or an administrator."""
    principal = await principal_of(request, "read")
    read(request, ())
    exporter = service_of(request).exporter
    return _json(export_shown(await asyncio.to_thread(exporter.seen, principal, request.path_params["id"])))


@router.get(
    "/v1/exports/{id}/content",
    responses={
        **answers(
            {"type": "string", "format": "binary"},
            "The archive: the folder that the command would have written.",
            media_types=("application/zip",),
            headers={"Repr-Digest": "Its SHA-256 (RFC 9530)."},
        ),
        206: {"description": "A part of it, as `Range` asks."},
        **_REFUSED,
        **problems(409, 416),
    },
    openapi_extra=parameters(_ID),
)
async def export_content(request: Request) -> Response:
    """Fetch what was exported. Whoever asked for it, or an administrator; that it was fetched is on record."""
    principal = await principal_of(request, "read")
    read(request, ())
    exporter = service_of(request).exporter
    job, path = await asyncio.to_thread(exporter.content, principal, request.path_params["id"])
    found = path.stat()
    refused = refused_range(request, found)
    if refused is not None:
        return refused
    await record_read(request, "audit export content", 1)
    digest = base64.b64encode(bytes.fromhex(job.sha256 or "")).decode()
    headers = {**NO_STORE, "Repr-Digest": f"sha-256=:{digest}:", "X-Content-Type-Options": "nosniff"}
    name = f"{job.report}-{job.format}-{job.id[:8]}.zip"
    return FileResponse(path, media_type="application/zip", filename=name, headers=headers, stat_result=found)


@router.delete(
    "/v1/exports/{id}",
    status_code=204,
    responses={**answers(None, "It is gone.", status=204), **_REFUSED},
    openapi_extra=parameters(_ID),
)
async def delete_export(request: Request) -> Response:
    """Stop an export, where it runs, and take away what it made. Whoever asked for it, or an administrator."""
    principal = await principal_of(request, "read")
    read(request, ())
    exporter = service_of(request).exporter
    job = await asyncio.to_thread(exporter.seen, principal, request.path_params["id"])
    await asyncio.to_thread(exporter.jobs.remove, job.id)
    return Response(status_code=204)


def filters_of(order: Order) -> dict[str, Any]:
    """Return the filters as options, each checked as the parameter that it is."""
    if order.report == LOG:
        return dict(order.filters)
    if order.report == DECISIONS:
        known = filters_of_decisions()
    else:
        check_report(order.report)
        known = parameters_of(order.report)
    items = []
    for name, value in order.filters.items():
        values = value if isinstance(value, list) else [value]
        if not values:
            raise UsageError(Problem("parameter", f"the filter `{printable(name[:60])}` is an empty list", help=_EMPTY))
        items += [(name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    found = options_of(read_items(items, known))
    return {name: value for name, value in found.items() if value not in (None, (), False)}


def command_of(order: Order) -> str:
    """Return the request that asks this again; persons are the asker's own word, and are not told here."""
    filters = {name: UNTOLD.get(name, value) for name, value in order.filters.items()}
    rest = {"proofs": order.proofs, "with_personal": order.with_personal}
    told = {"report": order.report, "format": order.format, "filters": filters, **rest}
    return f"POST /v1/exports {json.dumps({key: each for key, each in told.items() if each})}"[:MOST_TEXT]


def export_shown(job: Job) -> dict[str, Any]:
    """Return what is told of an export."""
    share = round(job.done / job.total, 4) if job.total else None
    place = f"/v1/exports/{job.id}"
    return {
        "kind": "ExportJob",
        "id": job.id,
        "state": job.state,
        "report": job.report,
        "format": job.format,
        "created_at": _time(job.created_at),
        "expires_at": _time(job.created_at + KEPT_SECONDS),
        "progress": {"done": job.done, "total": job.total, "share": 1.0 if job.state == "done" else share},
        "error": job.error,
        "result": job.result,
        "sha256": job.sha256,
        "bytes": job.bytes,
        "links": {"self": place, "content": f"{place}/content" if job.state == "done" else None},
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def _json(value: Any, status: int = 200) -> Response:
    return Response(json_bytes(value), status, NO_STORE, "application/json")
