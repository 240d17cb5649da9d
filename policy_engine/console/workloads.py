"""`/workloads`, and the history of one: what was decided on it, and what changed from one decision to the next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import choice, read_items, text
from policy_engine.api.requests import record_read, service_of
from policy_engine.asking.decision_query import VERDICTS
from policy_engine.console import links
from policy_engine.console.cells import Cell, Lines, Link, Mark, Muted, Table, Verdict, When, columns
from policy_engine.console.decisions import owner, workload
from policy_engine.console.filters import given, takes
from policy_engine.console.forms import Field, filled
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.errors import Problem
from policy_engine.model.task_case import ALLOWING
from policy_engine.service import recorded
from policy_engine.service.errors import NotFoundError

if TYPE_CHECKING:
    from policy_audit.records import StoredDecision

    from policy_engine.service.still import Still

router = page_router()
_PART, _STEPS = 100, 20
#: So long a page of many workloads asks whether their decisions stand.
_SECONDS = 1.0
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
    text("cursor", "Where the page begins."),
)


@router.get("/workloads")
@takes(*(each.name for each in _PARAMETERS))
async def workloads(request: Request) -> Response:
    """Show the workloads that were decided on, each with the decision that counts for it."""
    principal = await principal_of_page(request, "read")
    items = given(request.query_params.multi_items())
    asked = read_items(items, _PARAMETERS)

    def fits(row: StoredDecision) -> bool:
        return (asked["name"] or "") in row.workload and asked["verdict"] in (None, row.verdict)

    ask = partial(recorded.standing, reach=principal.namespaces, asked=asked, fits=fits, limit=_PART)
    found = await service_of(request).read(ask)
    still = await _still(request, [row for row in found["workloads"] if row["verdict"] in ALLOWING], _SECONDS)
    await record_read(request, "workloads", len(found["workloads"]))
    query = {field.name: asked[field.name] for field in _FIELDS}
    near = [Link("First page", url("/workloads", **query))] if asked["cursor"] else []
    near += [Link("Next page", url("/workloads", **query, cursor=found["next"]))] if found["next"] else []
    return await page(
        request,
        "workloads.html",
        "Workloads",
        fields=filled(_FIELDS, items),
        filtered=any(query.values()),
        table=_table(found["workloads"], still, any(query.values()) or found["start"] > 0),
        count=found["count"],
        number=found["start"] // _PART + 1,
        last=max(1, -(-found["count"] // _PART)),
        links=near,
        checkpoint=found["checkpoint"],
    )


@router.get("/workloads/{which:path}")
@takes("cursor")
async def history(request: Request, which: str) -> Response:
    """Show the decisions on one workload, the newest first."""
    principal = await principal_of_page(request, "read")
    # a slash within a name is told from one between names where the path is not decoded yet
    names = [unquote(part) for part in request.scope["raw_path"].decode("ascii", "replace").split("/")[2:]]
    if len(names) != 2:
        raise NotFoundError(Problem("workload-missing", f"there is no workload `{which[:80]}`"))
    namespace, name = names
    asked = {"limit": _STEPS, "oldest_first": False, "cursor": request.query_params.get("cursor") or None}
    ask = partial(recorded.steps, reach=principal.namespaces, namespace=namespace, name=name, asked=asked)
    found = await service_of(request).read(ask)
    counts = await service_of(request).read(partial(recorded.standing_of, namespace=namespace, name=name))
    still = await _still(request, [counts] if counts else [])
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
        still=still.get(counts["index"]) if counts else None,
        later=(counts or {}).get("later"),
        all=url("/decisions", namespace=namespace, workload=name) if "/" not in name else None,
    )


async def _still(request: Request, rows: list[dict[str, Any]], seconds: float | None = None) -> dict[int, Still]:
    """Return of decisions whether they still stand, by their entries; of those that it can be told of in time."""
    service, indexes = service_of(request), [row["index"] for row in rows]
    return await service.read(
        lambda ledger: service.stillness.of(ledger, service.policy, indexes, seconds) if indexes else {}
    )


def _table(rows: list[dict[str, Any]], still: dict[int, Still], filtered: bool) -> Table:
    shown = [
        (
            workload(row, row["stage"]),
            _counting(row, still.get(row["index"])),
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


def _counting(row: dict[str, Any], still: Still | None) -> Cell:
    """Return the verdict that counts; below it whether it still stands, and a later decision that does not count."""
    below: list[Cell] = []
    if row["verdict"] in ALLOWING:
        below += standing_lines(still)
    later = row["later"]
    if later is not None:
        text = f"later {words(later['purpose'] or 'decision')}: {words(later['verdict'])}"
        below.append(Link(text, url("/decisions", str(later["index"]))))
    return Lines((Verdict(row["verdict"]), *below)) if below else Verdict(row["verdict"])


def standing_lines(still: Still | None) -> list[Cell]:
    """Return what is said below a verdict that allows: nothing where it stands."""
    if still is None:
        return [Muted("whether it stands was not asked yet: load the page again")]
    if still.stands:
        return []
    if not still.reasons:
        return [Mark("may not stand", "warn"), still.untold]
    if still.has_only_run_out:
        return [Mark("has run out", "bad")]
    more = len(still.reasons) - 1
    return [Mark("does not stand", "bad"), still.reasons[0][1] + (f"; and {more} more" if more else "")]


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
