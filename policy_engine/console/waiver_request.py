"""`/waiver-request`: the form that asks for a waiver; whoever is logged in asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.problems import status_of
from policy_engine.api.requests import service_of
from policy_engine.console.filters import refusal
from policy_engine.console.forms import Field, filled
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import authorization_of_page, check_form, page, principal_of_page, see
from policy_engine.errors import PolicyError, RecordingError
from policy_engine.model.waiver import LONGEST_REASON, LONGEST_TICKET
from policy_engine.service import waivers
from policy_engine.service.ground import now
from policy_engine.service.waivers import WaiverRequest

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

router = page_router()
_NAMES = ("workload", "decision", "rule", "option", "task", "reason", "ticket", "valid_from", "valid_until")
_DAYS = 30
#: What the engine refuses, by the field that it is about.
_FIELDS = {
    "not-waivable": "rule",
    "workload-name": "workload",
    "unknown-task": "task",
    "unknown-rule": "rule",
    "rule-did-not-act": "rule",
    "several-options": "option",
    "not-against-option": "option",
    "several-tasks": "task",
    "bad-period": "valid_until",
    "decision-missing": "workload",
    "workload-missing": "workload",
}


def _fields(policy: Policy) -> tuple[Field, ...]:
    rules = [rule for rule in policy.rules.rules if rule.enforcement == "waivable"]
    options = (("", "Choose one"), *((rule.id, rule.title) for rule in rules))
    end = (now().date() + timedelta(days=_DAYS)).isoformat()
    return (
        Field("rule", "Rule", "select", options=options, hint="Those that can be waived.", required=True),
        Field("workload", "Workload", hint="NAMESPACE/NAME: the last decision on it counts."),
        Field("decision", "Or one decision", hint="Its id, in place of the workload."),
        Field("option", "Option", hint="Where the rule stands against several."),
        Field("task", "Task", hint="Where the rule decided on other facts in each."),
        Field("valid_from", "Valid from", "date", hint="Today, where nothing is said."),
        Field("valid_until", "Valid until", "date", end, required=True),
        Field("ticket", "Ticket", hint=f"At most {LONGEST_TICKET} characters.", required=True),
        Field(
            "reason",
            "Reason",
            hint=f"At most {LONGEST_REASON:,} characters. Kept for good: name no people.",
            required=True,
        ),
    )


@router.get("/waiver-request")
async def form(request: Request) -> Response:
    """Show the form, filled with what the address says."""
    principal = await principal_of_page(request, "decide")
    fields = filled(_fields(service_of(request).policy), request.query_params.multi_items())
    return await _page(request, fields, known=principal.known_by != "loopback")


@router.post("/waiver-request")
async def ask(request: Request) -> Response:
    """Put the request on record, and lead to the waiver."""
    principal = await principal_of_page(request, "decide")
    given = await check_form(request)
    items = [(name, value.strip()) for name in _NAMES for value in given.get(name, ())]
    fields = filled(_fields(service_of(request).policy), items)
    wanted, wrong = _wanted(dict(items), fields)
    if wrong:
        return await _page(request, _marked(fields, wrong), 422)
    try:
        found, warning = await waivers.ask(service_of(request), authorization_of_page(request), wanted)
    except RecordingError:
        raise
    except PolicyError as error:
        said = refusal(error.problems[0].message, error.help)
        name = _FIELDS.get(error.code)
        marked = _marked(fields, {name: said}) if name else fields
        return await _page(request, marked, status_of(error), refused=None if name else said)
    if warning is None and principal.roles & {"read", "approve"}:
        return see(url("/waivers", found["id"]))
    may_see = bool(principal.roles & {"read", "approve"})
    place = url("/waivers", found["id"]) if may_see else None
    return await page(request, "waiver_asked.html", "Asked for", waiver=found, warning=warning, place=place)


async def _page(
    request: Request, fields: Sequence[Field], status: int = 200, *, refused: str | None = None, known: bool = True
) -> Response:
    return await page(
        request,
        "waiver_request.html",
        "Ask for a waiver",
        status=status,
        fields=fields,
        refused=refused,
        known=known,
    )


def _wanted(given: Mapping[str, str], fields: Sequence[Field]) -> tuple[WaiverRequest, Mapping[str, str]]:
    """Return what is asked for, and what is wrong with the fields."""
    wrong = {each.name: "This is wanted." for each in fields if each.required and not given.get(each.name)}
    days: dict[str, date | None] = {}
    for name in ("valid_from", "valid_until"):
        text = given.get(name, "")
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            wrong[name] = "This is no date such as 2027-06-30."
    if not given.get("workload") and not given.get("decision"):
        wrong["workload"] = "A workload is wanted, or a decision."
    elif given.get("workload") and given.get("decision"):
        wrong["decision"] = "Either this or a workload is wanted, and not both."
    rest: dict[str, Any] = {name: given.get(name) or None for name in ("decision", "workload", "option", "task")}
    texts = {name: given.get(name, "") for name in ("rule", "reason", "ticket")}
    until = days.get("valid_until") or date.min
    return WaiverRequest(**texts, valid_until=until, valid_from=days.get("valid_from"), **rest), wrong


def _marked(fields: Sequence[Field], wrong: Mapping[str, str]) -> list[Field]:
    return [replace(each, error=wrong[each.name]) if each.name in wrong else each for each in fields]
