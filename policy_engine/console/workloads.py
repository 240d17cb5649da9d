"""`/workloads`, and the history of one: what was decided on it, and what changed from one decision to the next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import choice, number, read_items, text
from policy_engine.api.requests import record_read, service_of
from policy_engine.asking.decision_query import VERDICTS
from policy_engine.console import links
from policy_engine.console.cells import Cell, Lines, Link, Table, Verdict, When, columns
from policy_engine.console.decisions import owner, workload
from policy_engine.console.filters import check_names, given
from policy_engine.console.forms import Field, filled
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.errors import Problem
from policy_engine.service import recorded
from policy_engine.service.errors import NotFoundError

if TYPE_CHECKING:
    from policy_audit.records import StoredDecision

router = page_router()
_PART, _STEPS = 100, 20
_MOST_PAGE = 1_000_000
_FIELDS = (
    Field("name", "Name contains"),
    Field("namespace", "Namespace"),
    Field(
        "verdict",
        "Verdict",
        "select",
        options=(("", "Any"), *((each, words(each).capitalize()) for each in VERDICTS)),
    ),
)
_PARAMETERS = (
    text("name", "A part of the workload's name."),
    text("namespace", "The namespace, whole."),
    choice("verdict", VERDICTS, "The verdict that counts."),
    number("page", 1, _MOST_PAGE, "Which page.", default=1),
)


@router.get("/workloads")
async def workloads(request: Request) -> Response:
    """Show the workloads that were decided on, each with the decision that counts for it."""
    principal = await principal_of_page(request, "read")
    check_names(request.query_params.multi_items(), [each.name for each in _PARAMETERS])
    items = given(request.query_params.multi_items())
    asked = read_items(items, _PARAMETERS)
    at = asked["page"]

    def fits(row: StoredDecision) -> bool:
        return (asked["name"] or "") in row.workload and asked["verdict"] in (None, row.verdict)

    part = slice((at - 1) * _PART, at * _PART)
    ask = partial(recorded.standing, reach=principal.namespaces, namespace=asked["namespace"], fits=fits, part=part)
    found = await service_of(request).read(ask)
    await record_read(request, "workloads", len(found["workloads"]))
    query = {field.name: asked[field.name] for field in _FIELDS}
    last = max(1, -(-found["count"] // _PART))
    near = [("Previous page", at - 1)] if at > 1 else []
    near += [("Next page", at + 1)] if at < last else []
    return await page(
        request,
        "workloads.html",
        "Workloads",
        fields=filled(_FIELDS, items),
        filtered=any(query.values()),
        table=_table(found["workloads"], any(query.values()) or at > 1),
        count=found["count"],
        number=at,
        last=last,
        links=[Link(title, url("/workloads", **query, page=place)) for title, place in near],
        checkpoint=found["checkpoint"],
    )


@router.get("/workloads/{which:path}")
async def history(request: Request, which: str) -> Response:
    """Show the decisions on one workload, the newest first."""
    principal = await principal_of_page(request, "read")
    # a slash within a name is told from one between names where the path is not decoded yet
    names = [unquote(part) for part in request.scope["raw_path"].decode("ascii", "replace").split("/")[2:]]
    if len(names) != 2:
        raise NotFoundError(Problem("workload-missing", f"there is no workload `{which[:80]}`"))
    namespace, name = names
    check_names(request.query_params.multi_items(), ["cursor"])
    asked = {"limit": _STEPS, "oldest_first": False, "cursor": request.query_params.get("cursor") or None}
    ask = partial(recorded.steps, reach=principal.namespaces, namespace=namespace, name=name, asked=asked)
    found = await service_of(request).read(ask)
    counts = await service_of(request).read(partial(recorded.standing_of, namespace=namespace, name=name))
    await record_read(request, "audit list", len(found["decisions"]))
    place = url("/workloads", namespace, name)
    near = [Link("Newest decisions", place)] if asked["cursor"] else []
    near += [Link("Earlier decisions", f"{place}{url('', cursor=found['next'])}")] if found["next"] else []
    return await page(
        request,
        "workload.html",
        f"{namespace}/{name}",
        steps=[_step(row, changed) for row, changed in zip(found["decisions"], found["changes"], strict=True)],
        links=near,
        counts=counts,
        later=(counts or {}).get("later"),
        all=url("/decisions", namespace=namespace, workload=name) if "/" not in name else None,
    )


def _table(rows: list[dict[str, Any]], filtered: bool) -> Table:
    shown = [
        (
            workload(row, row["stage"]),
            _counting(row),
            words(row["purpose"]) if row["purpose"] else None,
            owner(row),
            When(row["recorded_at"], date=True),
            When(row["valid_until"], date=True) if row["valid_until"] else None,
            links.entry(row["index"]),
        )
        for row in rows
    ]
    heads = columns("~Workload", "%Verdict", "Made for", "%Owner", "Recorded", "Valid until", "Entry")
    empty = "No workload fits. Leave a filter out." if filtered else "Nothing was decided yet. Evaluate a draft."
    return Table("Workloads", heads, shown, empty, hidden_caption=True)


def _counting(row: dict[str, Any]) -> Cell:
    """Return the verdict that counts, and below it that of a later decision that does not."""
    later = row["later"]
    if later is None:
        return Verdict(row["verdict"])
    text = f"later {words(later['purpose'] or 'decision')}: {words(later['verdict'])}"
    return Lines((Verdict(row["verdict"]), Link(text, url("/decisions", str(later["index"])))))


def _step(row: dict[str, Any], changed: list[Any] | None) -> dict[str, Any]:
    rows = [
        (each.kind, each.fact, each.before, each.after, ", ".join(each.rules) or None)
        for each in changed or ()
        if each.kind != "nothing but the time"
    ]
    heads = columns("What", "Fact", "Before", "After", "Read by")
    caption = f"Changed from the decision before entry {row['index']}"
    return {
        "row": row,
        "href": url("/decisions", str(row["index"])),
        "first": changed is None,
        "table": Table(caption, heads, rows, hidden_caption=True),
    }
