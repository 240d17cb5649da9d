"""`/exports`: what takes long, as jobs of this host: begun, followed, fetched, and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.exports import Order, command_of, export_shown, filters_of
from policy_engine.api.reports import filters_of_decisions
from policy_engine.api.requests import service_of
from policy_engine.asking.exporting import FORMATS
from policy_engine.console.cells import Cell, Code, Link, Mark, Muted, Table, When, columns
from policy_engine.console.filters import field_of, given, refusal
from policy_engine.console.forms import Field, filled
from policy_engine.console.keeping import answered, form_key, received
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url
from policy_engine.console.verification import settled
from policy_engine.console.visiting import authorization_of_page, check_form, page, principal_of_page, see
from policy_engine.errors import UsageError
from policy_engine.exports.evidence import MODES
from policy_engine.reports.registry import REPORTS
from policy_engine.service.exports import DECISIONS, LOG, Wanted
from policy_engine.service.jobs import Job

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal

router = page_router()
_OWN = ("report", "format", "proofs", "with_personal", "documents", "form_token")
_FILTERS = tuple(field_of(each) for each in filters_of_decisions())
_FIELDS = (
    Field("report", "What", "select", DECISIONS, ((DECISIONS, "Decisions"), (LOG, "The whole log"))),
    Field("format", "Format", "select", "csv", tuple((each, each) for each in FORMATS), "The whole log is tlog."),
    Field("proofs", "Proofs", "select", options=(("", "As the format has them"), *((each, each) for each in MODES))),
    Field("with_personal", "With the names of persons", "check"),
    Field("documents", "With the documents", "check", hint="Of the whole log."),
)


@router.get("/exports")
async def exports(request: Request) -> Response:
    """Show the exports that whoever visits may see, and the form that begins one."""
    principal = await principal_of_page(request, "read")
    jobs = await asyncio.to_thread(service_of(request).exporter.listed, principal)
    return await _page(request, jobs, _FIELDS, _FILTERS)


@router.post("/exports")
async def begin(request: Request) -> Response:
    """Begin an export, and lead to how far it is."""
    form = await received(request, "read")
    items = given([(name, value) for name, values in form.items() for value in values])
    filters = filled(_FILTERS, [each for each in items if each[0] not in _OWN])
    fields = filled(_FIELDS, items)
    key = form_key(form, *(f"{name}={value}" for name, value in items))
    work = partial(_begin, request, items, fields, filters, key)
    return await answered(request, form, "read", work, "Exports", "Begin the export", [*fields, *filters])


async def _begin(
    request: Request,
    items: Sequence[tuple[str, str]],
    fields: Sequence[Field],
    filters: Sequence[Field],
    key: str | None,
    principal: Principal,
) -> Response:
    try:
        wanted = _wanted(items)
        exporter, loop = service_of(request).exporter, asyncio.get_running_loop()
        authorization = authorization_of_page(request)
        job = await asyncio.to_thread(exporter.start, principal, authorization, wanted, loop, key)
    except UsageError as error:
        jobs = await asyncio.to_thread(service_of(request).exporter.listed, principal)
        return await _page(request, jobs, fields, filters, 400, [refusal(each) for each in error.problems])
    return see(url("/exports", job.id))


@router.get("/exports/{name}")
async def export(request: Request, name: str) -> Response:
    """Show how far an export is, and what it made."""
    principal = await principal_of_page(request, "read")
    exporter = service_of(request).exporter
    job = await settled(lambda: exporter.seen(principal, name))
    shown = export_shown(job)
    return await page(
        request,
        "export.html",
        f"Export of {words(job.report.replace('-', '_'))}",
        job=job,
        shown=shown,
        mark=_mark(job),
        share=round(100 * job.done / job.total) if job.total else None,
        place=url("/exports", job.id),
        head=_head(job, shown),
        result=_result(job.result or {}),
    )


@router.post("/exports/{name}/removal")
async def remove(request: Request, name: str) -> Response:
    """Stop an export, and take away what it made."""
    principal = await principal_of_page(request, "read")
    await check_form(request)
    exporter = service_of(request).exporter
    job = await asyncio.to_thread(exporter.seen, principal, name)
    await asyncio.to_thread(exporter.jobs.remove, job.id)
    return see("/exports")


async def _page(
    request: Request,
    jobs: Sequence[Job],
    fields: Sequence[Field],
    filters: Sequence[Field],
    status: int = 200,
    refused: Sequence[str] = (),
) -> Response:
    return await page(
        request,
        "exports.html",
        "Exports",
        status=status,
        table=_table(jobs),
        fields=fields,
        filters=filters,
        refused=refused,
        opened=any(field.value for field in filters),
    )


def _wanted(items: Sequence[tuple[str, str]]) -> Wanted:
    """Return what the form asks for.

    Raises:
        UsageError, NotFoundError: a filter is wrong, or there is no such report.
    """
    own = dict(each for each in items if each[0] in _OWN)
    filters: dict[str, Any] = {}
    for name, value in items:
        if name not in _OWN:
            filters.setdefault(name, []).append(value)
    report = own.get("report", DECISIONS)
    order = Order(
        report,
        own.get("format", ""),
        {name: values[0] if len(values) == 1 else values for name, values in filters.items()},
        own.get("proofs") or None,
        "with_personal" in own,
        "documents" in own,
    )
    found = filters_of(order)
    asked = command_of(order)
    return Wanted(order.report, order.format, found, order.proofs, order.with_personal, order.documents, asked)


def _mark(job: Job) -> Mark:
    tones = {"done": "good", "failed": "bad", "running": "info", "queued": "plain"}
    return Mark(job.state, tones.get(job.state, "plain"))


def _table(jobs: Sequence[Job]) -> Table:
    rows = [
        (
            Link(
                REPORTS[job.report].title if job.report in REPORTS else job.report, url("/exports", job.id), job.id[:8]
            ),
            job.format,
            _mark(job),
            When(_time(job.created_at)),
            _size(job.bytes) if job.bytes is not None else None,
            job.owner,
        )
        for job in jobs
    ]
    heads = columns("~Export", "Format", "State", "Begun", ">Size", "Asked for by")
    return Table("Exports", heads, rows, "No export was made within a day.", hidden_caption=True)


def _head(job: Job, shown: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [
        ("Of", job.report),
        ("Format", job.format),
        ("Begun", When(_time(job.created_at))),
        ("Kept until", When(shown["expires_at"])),
        ("Asked for by", job.owner),
    ]
    if job.bytes is not None:
        found.append(("Size", _size(job.bytes)))
    return [*found, *([("SHA-256", Code(job.sha256))] if job.sha256 else [])]


def _result(found: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    plain = ((words(name).capitalize(), value) for name, value in found.items())
    return [(name, value if value is not None else Muted("none")) for name, value in plain if _is_plain(value)]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _size(count: int) -> str:
    return f"{count / 1024:,.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):,.1f} MiB"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
