"""`/waiver-request`: the form that asks for a waiver; whoever is logged in asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.problems import status_of
from policy_engine.api.requests import service_of
from policy_engine.console.filters import refusal, takes
from policy_engine.console.forms import DATE, Field, filled
from policy_engine.console.keeping import NOT_ABOUT_TEXT, answered, form_key, received
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import authorization_of_page, page, principal_of_page, see
from policy_engine.errors import PolicyError
from policy_engine.model.waiver import LONGEST_REASON, LONGEST_TICKET
from policy_engine.service import waivers
from policy_engine.service.ground import now
from policy_engine.service.waivers import WaiverRequest
from policy_engine.wording import printable

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal
    from policy_engine.loading.policy import Policy

router = page_router()
_NAMES = ("workload", "decision", "rule", "option", "task", "reason", "ticket", "valid_from", "valid_until")
_DAYS = 30
_TITLE, _BUTTON = "Ask for a waiver", "Ask for the waiver"
_SEEN = 60
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
@takes(*_NAMES)
async def form(request: Request) -> Response:
    """Show the form, filled with what the address says."""
    principal = await principal_of_page(request, "decide")
    fields = filled(_fields(service_of(request).policy), request.query_params.multi_items())
    wrong = _unusable(fields)
    return await _page(request, _marked(fields, wrong), 400 if wrong else 200, known=principal.known_by != "loopback")


@router.post("/waiver-request")
async def ask(request: Request) -> Response:
    """Put the request on record, and lead to the waiver."""
    given = await received(request, "decide")
    items = [(name, value.strip()) for name in _NAMES for value in given.get(name, ())]
    fields = filled(_fields(service_of(request).policy), items)
    key = form_key(given, *(f"{name}={value}" for name, value in items))
    work = partial(_ask, request, fields, items, key)
    return await answered(request, given, "decide", work, _TITLE, _BUTTON, fields)


async def _ask(
    request: Request,
    fields: Sequence[Field],
    items: Sequence[tuple[str, str]],
    key: str | None,
    principal: Principal,
) -> Response:
    service, authorization = service_of(request), authorization_of_page(request)
    wanted, wrong = _wanted(dict(items), fields)
    if wrong:
        return await _page(request, _marked(fields, wrong), 422)
    try:
        found, warning = await waivers.ask(service, authorization, wanted, key, by_hand=True)
    except NOT_ABOUT_TEXT:
        raise
    except PolicyError as error:
        said = refusal(error.problems[0])
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
        _TITLE,
        status=status,
        fields=fields,
        refused=refused,
        known=known,
    )


def _unusable(fields: Sequence[Field]) -> dict[str, str]:
    """Return what is wrong with what fields hold, whether or not it suffices."""
    wrong = {}
    for each in fields:
        if each.kind == "date" and each.value and _day(each.value) is None:
            wrong[each.name] = "This is no date such as 2027-06-30."
        if each.kind == "select" and each.value not in dict(each.options):
            wrong[each.name] = f"No rule in force that can be waived is called {printable(each.value[:_SEEN])}."
    return wrong


def _day(text: str) -> date | None:
    """Return a day that is written as the form asks for it; other spellings of ISO 8601 are taken for mistakes."""
    try:
        return date.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        return None


def _wanted(given: Mapping[str, str], fields: Sequence[Field]) -> tuple[WaiverRequest, Mapping[str, str]]:
    """Return what is asked for, and what is wrong with the fields."""
    wrong = _unusable(fields)
    wrong |= {each.name: "This is wanted." for each in fields if each.required and not given.get(each.name)}
    days = {name: _day(given.get(name, "")) for name in ("valid_from", "valid_until")}
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
