"""`GET /v1/decisions`, one of them, its receipt and its entry; `GET /v1/workloads` and their history."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api import parameters as given
from policy_engine.api.documents import NO_STORE, answer
from policy_engine.api.openapi import answers, documents, in_path, problems, ref
from policy_engine.api.parameters import as_of, choice, documented, flag, number, since, text, until
from policy_engine.api.requests import principal_of, principal_with, record_read, service_of
from policy_engine.asking.decision_query import STAGES, VERDICTS
from policy_engine.recorder import PURPOSES
from policy_engine.service import recorded

router = APIRouter()
_PAGE = (
    number("limit", 1, recorded.MOST, "At most so many.", default=50),
    flag("oldest_first", "Begin with the oldest instead of the newest."),
    text("cursor", "`next` of the page before: the page after it."),
)
_PERIOD = (
    since("since", "Recorded at this time or date (UTC) or later."),
    until("until", "Recorded before this time, or on this date (UTC) at the latest."),
)
FILTERS = (
    text("workload", "Decisions on this workload: `[NAMESPACE/]NAME`."),
    text("namespace", "Decisions in this namespace."),
    text("owner", "Decisions on workloads that this person owns; the whole value."),
    choice("verdict", VERDICTS, "Decisions of this verdict; repeatable.", many=True),
    text("rule", "Where this rule fired, is indeterminate, or is against the fallback."),
    text("criterion", "Where a rule that cites this criterion did."),
    text("regulation", "Decisions on data under this regulation."),
    text("model", "Where this model was proposed, or else recommended."),
    text("deployment", "Where this deployment was judged."),
    text("missing_evidence", "Where required evidence was not there: of this name, or any (`*`, empty).", empty=True),
    choice("stage", STAGES, "Decisions on workloads of this stage."),
    choice("purpose", PURPOSES, "Decisions that were made for this."),
    text("policy_digest", "Decided under this effective policy; 8 digits or more of it."),
    text("run", "Decisions of this run of a CI system."),
    flag("expired", "Whose `valid_until` has passed, now or at `at`."),
    as_of("at", "What `expired` goes by: a time, or the end of a date (UTC)."),
    *_PERIOD,
    as_of("as_of", "The ledger as it was at this time, or when this date (UTC) ended."),
    *_PAGE,
    flag("count", "Say how many there are, and list none."),
)
_HISTORY = (*_PERIOD, *_PAGE)
_ID = in_path("id", "The decision's id, 8 digits or more of it, or its entry's index.", example="569fa0a1")
_ALL_RULES = (flag("all_rules", "With the rules that did not fire, too."),)
_REFUSED = problems(400, 401, 403, 429, 503)
_NEXT = {"Link": "The next page (RFC 8288)."}
_LISTED = documents(ref("DecisionPage"), "A page of decisions, or how many there are.", headers=_NEXT)


@router.get("/v1/decisions", responses={**_LISTED, **_REFUSED}, openapi_extra=documented(FILTERS))
async def list_decisions(request: Request) -> Response:
    """List recorded decisions, the newest first, as `policy audit list` does.

    Filters are combined: all of them must hold. `next` is the cursor of the next page, and null at the end; all pages
    are of the ledger as it was when the first one was read.
    """
    principal = await principal_of(request, "read")
    asked = given.read(request, FILTERS)
    found = await service_of(request).read(partial(recorded.decisions, reach=principal.namespaces, asked=asked))
    return await _page(request, found, "audit list")


@router.get(
    "/v1/decisions/{id}",
    responses={
        **documents(ref("RecordedDecision"), "The decision."),
        **_REFUSED,
        **problems(404, 410),
    },
    openapi_extra={"parameters": [_ID, *documented(_ALL_RULES)["parameters"]]},
)
async def show_decision(request: Request) -> Response:
    """Show a recorded decision again, in full, as `policy explain` does.

    With the role `read`, personal values that are still held are shown. With `decide` alone they are left out, and
    only what the same token, or another one of the same subject, had decided is there.
    """
    principal = await principal_with(request, "read", "decide")
    asked = given.read(request, _ALL_RULES)
    ask = partial(recorded.decision, target=request.path_params["id"], principal=principal, **asked)
    found = await service_of(request).read(ask)
    await _record_one(request, "explain")
    return await answer(request, found)


@router.get(
    "/v1/decisions/{id}/receipt",
    responses={
        **answers({"type": "string"}, "The proof (C2SP tlog-proof).", media_types=("text/plain",)),
        **_REFUSED,
        **problems(404),
    },
    openapi_extra={"parameters": [_ID]},
)
async def show_receipt(request: Request) -> Response:
    """Prove that a decision is in the log, as `policy audit prove` does.

    The proof is over the bytes that `/v1/decisions/{id}/entry` gives, and is checked with the log's key alone.
    """
    principal = await principal_with(request, "read", "decide")
    given.read(request, ())
    found = await service_of(request).read(
        partial(recorded.receipt, target=request.path_params["id"], principal=principal)
    )
    await _record_one(request, "audit prove")
    return Response(found, media_type="text/plain", headers=NO_STORE)


@router.get(
    "/v1/decisions/{id}/entry",
    responses={**answers({"type": "object"}, "The entry's exact bytes."), **_REFUSED, **problems(404)},
    openapi_extra={"parameters": [_ID]},
)
async def show_entry(request: Request) -> Response:
    """Give the exact bytes of the decision's entry, which its receipt is over; they name no person."""
    principal = await principal_with(request, "read", "decide")
    given.read(request, ())
    ask = partial(recorded.seen_entry, target=request.path_params["id"], principal=principal)
    entry = await service_of(request).read(ask)
    await _record_one(request, "audit show")
    return Response(entry.raw, media_type="application/json", headers=NO_STORE)


@router.get(
    "/v1/workloads",
    responses={**documents(ref("WorkloadList"), "The workloads."), **_REFUSED},
    openapi_extra=documented((_NAMESPACE := text("namespace", "Workloads in this namespace."),)),
)
async def list_workloads(request: Request) -> Response:
    """List the workloads that were decided on, each with its last decision."""
    principal = await principal_of(request, "read")
    asked = given.read(request, (_NAMESPACE,))
    found = await service_of(request).read(partial(recorded.workloads, reach=principal.namespaces, **asked))
    await record_read(request, "workloads", found["count"])
    return await answer(request, found)


@router.get(
    "/v1/workloads/{namespace}/{name}",
    responses={**_LISTED, **_REFUSED, **problems(404)},
    openapi_extra=documented(_HISTORY),
)
async def show_workload(request: Request, namespace: str, name: str) -> Response:
    """List the decisions on one workload, the newest first."""
    principal = await principal_of(request, "read")
    asked = given.read(request, _HISTORY)
    ask = partial(recorded.history, reach=principal.namespaces, namespace=namespace, name=name, asked=asked)
    return await _page(request, await service_of(request).read(ask), "audit list")


async def _record_one(request: Request, query: str) -> None:
    """Put on record that a decision was shown, but to whoever had it decided, and is shown no person."""
    if "read" in request.state.principal.roles:
        await record_read(request, query, 1)


async def _page(request: Request, found: dict[str, Any], query: str) -> Response:
    from policy_engine.asking.listing import shown_count

    await record_read(request, query, shown_count(found))
    headers = dict(NO_STORE)
    if found.get("next"):
        url = request.url.include_query_params(cursor=found["next"])
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return await answer(request, found, headers)
