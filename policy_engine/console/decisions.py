"""`/decisions`: what is on record, by the filters of `policy audit list`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import converted
from policy_engine.api.recorded import FILTERS
from policy_engine.api.requests import record_read, service_of
from policy_engine.asking.decision_query import STAGES, VERDICTS
from policy_engine.console.cells import Cell, Link, Muted, Table, Verdict, When, columns
from policy_engine.console.filters import given, refusal, takes
from policy_engine.console.forms import Field, filled, sentence
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url, with_query
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.errors import UsageError
from policy_engine.recorder import PURPOSES
from policy_engine.service import recorded

router = page_router()
_ANY = ("", "Any")
_MAIN = (
    Field("workload", "Workload", hint="A name, or namespace/name."),
    Field("owner", "Owner", hint="The whole value as recorded."),
    Field("since", "Recorded from", "date"),
    Field("until", "Recorded until", "date"),
    Field("purpose", "Purpose", "select", options=(_ANY, *((each, words(each)) for each in PURPOSES))),
    Field("stage", "Stage", "select", options=(_ANY, *((each, each) for each in STAGES))),
    Field("verdict", "Verdict", "checks", (), tuple((each, words(each).capitalize()) for each in VERDICTS)),
)
_MORE = (
    Field("rule", "Rule", hint="It fired, is indeterminate, or is against the fallback."),
    Field("criterion", "Criterion", hint="A rule that cites it did."),
    Field("regulation", "Regulation"),
    Field("model", "Model", hint="Proposed, or else recommended."),
    Field("deployment", "Deployment", hint="It was judged."),
    Field("missing_evidence", "Missing evidence", hint="Its name; * for any."),
    Field("namespace", "Namespace"),
    Field("policy_digest", "Policy digest", hint="8 digits or more of it."),
    Field("run", "Run of a CI system"),
    Field("at", "Expired at", hint="A date or time, with the box below; now without it.", kind="date"),
    Field("as_of", "The ledger as of", "date"),
    Field("limit", "Rows on a page", "number", "50"),
    Field("expired", "Expired only", "check"),
    Field("oldest_first", "Oldest first", "check"),
)
NO_OWNER = {
    "none": "no owner",
    "sealed": "owner sealed",
    "erased": "owner erased",
    "disposed": "owner disposed of",
    "missing": "owner missing, and no entry erases it",
    "altered": "owner altered",
}


@router.get("/decisions")
@takes(*(each.name for each in FILTERS if each.name != "count"))
async def decisions(request: Request) -> Response:
    """Show a page of decisions, with the form of the filters."""
    principal = await principal_of_page(request, "read")
    items = given(request.query_params.multi_items())
    asked, wrong = converted(items, FILTERS)
    main, more = _fields(_MAIN, items, wrong), _fields(_MORE, items, wrong)
    found: dict[str, Any] = {}
    refused: str | None = None
    if not wrong:
        try:
            ask = partial(recorded.decisions, reach=principal.namespaces, asked=asked, counted=True)
            found = await service_of(request).read(ask)
            await record_read(request, "audit list", len(found["decisions"]))
        except UsageError as error:
            refused = refusal(error.problems[0])
    rows = found.get("decisions", ())
    return await page(
        request,
        "decisions.html",
        "Decisions",
        status=400 if wrong or refused else 200,
        main=main,
        more=more,
        opened=any(field.value not in ("", (), "50") for field in more) or any(field.error for field in more),
        refused=refused,
        found=found,
        table=table(rows, _nothing(found, items)) if found else None,
        links=_links(found, items),
        first="cursor" not in dict(items),
        filtered=bool([name for name, _ in items if name not in ("limit", "cursor")]),
    )


def table(rows: Any, empty: str, caption: str = "Decisions") -> Table:
    """Return a table of rows of a list of decisions."""
    shown = [
        (
            Link(str(row["index"]), url("/decisions", str(row["index"])), row["decision_id"][:8]),
            When(row["recorded_at"], zone=False),
            Verdict(row["verdict"]),
            workload(row, made_for(row)),
            owner(row),
        )
        for row in rows
    ]
    heads = columns("Entry", "Recorded", "%Verdict", "~Workload", "%Owner")
    return Table(caption, heads, shown, empty, hidden_caption=True)


def workload(row: Mapping[str, Any], note: str | None = None) -> Cell:
    """Return the name of a row's workload, which leads to its history."""
    name = f"{row['namespace']}/{row['workload']}"
    return Link(name, url("/workloads", row["namespace"], row["workload"]), note)


def made_for(row: Mapping[str, Any]) -> str:
    """Return what a row's decision was made for, and the stage of its workload, in words."""
    purpose = words(row["purpose"]) if row["purpose"] else "no purpose"
    return f"{purpose}, {row['stage']}" if row["stage"] else purpose


def owner(row: Mapping[str, Any]) -> Cell:
    """Return a row's owner, or why none is shown."""
    status = row["owner_status"]
    return Muted(NO_OWNER[status]) if status in NO_OWNER else row["owner"]


def _fields(fields: tuple[Field, ...], items: list[tuple[str, str]], wrong: Mapping[str, str]) -> list[Field]:
    from msgspec.structs import replace

    shown = filled(fields, items)
    return [replace(each, error=sentence(f"this {wrong[each.name]}")) if each.name in wrong else each for each in shown]


def _nothing(found: Mapping[str, Any], items: list[tuple[str, str]]) -> str:
    if found.get("hint"):
        return sentence(found["hint"])
    if items:
        return "No decision fits all of these filters. Leave one of them out, or choose a longer period."
    return "No decision is on record yet. Evaluate a draft, or let your pipeline call policy gate."


def _links(found: Mapping[str, Any], items: list[tuple[str, str]]) -> list[Link]:
    """Return the links to the first and to the next page."""
    query: dict[str, list[str]] = {}
    for name, value in items:
        if name != "cursor":
            query.setdefault(name, []).append(value)
    links = [Link("First page", with_query("/decisions", query))] if any(name == "cursor" for name, _ in items) else []
    if found.get("next"):
        links.append(Link("Next page", with_query("/decisions", {**query, "cursor": found["next"]})))
    return links
