"""`/waivers`: those on record by their state, and one: its statement, its approval and its revocation.

The server holds nobody's key: a page shows what is signed and the command that signs it, and takes the signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.routes import WAIVERS
from policy_engine.api.parameters import choice, read_items
from policy_engine.api.problems import status_of
from policy_engine.api.requests import record_read, service_of
from policy_engine.console import links
from policy_engine.console.cells import Cell, Code, Lines, Link, Mark, Muted, Table, When, columns
from policy_engine.console.filters import given, refusal, takes
from policy_engine.console.forms import Field
from policy_engine.console.keeping import NOT_ABOUT_TEXT, answered, received, text_of
from policy_engine.console.routing import page_router
from policy_engine.console.signatures import signature_lines
from policy_engine.console.urls import url
from policy_engine.console.visiting import (
    authorization_of_page,
    page,
    see,
    visitor,
)
from policy_engine.errors import PolicyError
from policy_engine.model.identity import same_person
from policy_engine.service import waivers as served
from policy_engine.waivers.listing import is_uncounted
from policy_engine.waivers.register import EXPIRING_DAYS, reports
from policy_engine.wording import value_text

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal

router = page_router()
_MOST_ROWS, _MOST_USES = 200, 100
#: What the list shows: its word, and the states that it has.
_STATES = {
    "active": ("active", "file"),
    "expiring": ("active",),
    "requested": ("requested",),
    "pending": ("pending",),
    "expired": ("expired",),
    "revoked": ("revoked",),
    "all": ("active", "file", "requested", "pending", "expired", "revoked"),
}
_PARAMETERS = (choice("state", tuple(_STATES), "The state of waivers."),)
_TONES = {"active": "good", "file": "good", "requested": "warn", "pending": "info", "revoked": "bad"}
_SIGNATURE = Field(
    "signature",
    "Your signature",
    "area",
    hint="What the command printed: the whole JSON, or the line that begins with a dash.",
    required=True,
    rows=5,
)
_REASON = Field("reason", "Why it is taken back", hint="Kept for good: name no people.", required=True)


@router.get("/waivers")
@takes("state")
async def waivers(request: Request) -> Response:
    """Show the waivers of one state."""
    principal = await visitor(request, *WAIVERS)
    state = read_items(given(request.query_params.multi_items()), _PARAMETERS)["state"] or "active"
    found = await served.waivers(service_of(request), principal, "all", None)
    rows = found["waivers"]
    await record_read(request, "waiver list", len(rows))
    by_state = {each: _of(rows, each) for each in _STATES}
    return await page(
        request,
        "waivers.html",
        "Waivers",
        state=state,
        states=[(each, len(by_state[each]), url("/waivers", state=each)) for each in _STATES],
        table=_table(by_state[state], state),
        left_out=max(0, len(by_state[state]) - _MOST_ROWS),
        late=[_late(each) for each in found["used_out_of_time"]],
        within=EXPIRING_DAYS,
        may_ask="decide" in principal.roles,
    )


@router.get("/waivers/{identifier}")
async def waiver(request: Request, identifier: str) -> Response:
    """Show one waiver, with the forms that whoever visits may send."""
    principal = await visitor(request, *WAIVERS)
    return await _shown(request, principal, identifier)


@router.post("/waivers/{identifier}/approval")
async def approve(request: Request, identifier: str) -> Response:
    """Put an approver's signature on record."""
    form = await received(request, "approve")
    text = text_of(form, "signature")
    field = replace(_SIGNATURE, value=text)
    work = partial(_approve, request, identifier, field)
    return await answered(request, form, "approve", work, "Approve a waiver", "Approve the waiver", [field])


async def _approve(request: Request, identifier: str, field: Field, principal: Principal) -> Response:
    lines = signature_lines(field.value)
    if not lines:
        field = replace(field, error="This holds no signature line. Paste what the command printed.")
        return await _shown(request, principal, identifier, 422, field)
    try:
        found, _ = await served.approve(service_of(request), authorization_of_page(request), identifier, lines)
    except PolicyError as error:
        if error.code == "waiver-missing" or isinstance(error, NOT_ABOUT_TEXT):
            raise
        field = replace(field, error=refusal(error.problems[0]))
        return await _shown(request, principal, identifier, status_of(error), field)
    return see(url("/waivers", found["id"]))


@router.post("/waivers/{identifier}/revocation")
async def revoke(request: Request, identifier: str) -> Response:
    """Take a waiver back."""
    form = await received(request, "approve")
    reason = text_of(form, "reason").strip()
    field = replace(_REASON, value=reason)
    work = partial(_revoke, request, identifier, field)
    return await answered(request, form, "approve", work, "Take a waiver back", "Revoke the waiver", [field])


async def _revoke(request: Request, identifier: str, field: Field, principal: Principal) -> Response:
    if not field.value:
        wrong = replace(field, error="A reason is wanted: it stands in the ledger.")
        return await _shown(request, principal, identifier, 422, reason=wrong)
    try:
        found = await served.revoke(service_of(request), authorization_of_page(request), identifier, field.value)
    except PolicyError as error:
        if error.code == "waiver-missing" or isinstance(error, NOT_ABOUT_TEXT):
            raise
        wrong = replace(field, error=refusal(error.problems[0]))
        return await _shown(request, principal, identifier, status_of(error), reason=wrong)
    if found["revoked_why"] != field.value:
        wrong = replace(field, error="It was revoked before, with the reason above. Yours was not recorded.")
        return await _shown(request, principal, identifier, 409, reason=wrong)
    return see(url("/waivers", found["id"]))


async def _shown(
    request: Request,
    principal: Principal,
    identifier: str,
    status: int = 200,
    signature: Field = _SIGNATURE,
    reason: Field = _REASON,
) -> Response:
    row = await served.waiver(service_of(request), principal, identifier)
    await record_read(request, "waiver show", 1)
    own = row["requester"] is not None and same_person(principal.subject, row["requester"])
    signable = row["text"] is not None and row["status"] in ("requested", "pending") and row["granted_index"] is None
    known = principal.known_by != "loopback"
    return await page(
        request,
        "waiver.html",
        f"Waiver of {row['rule']}",
        status=status,
        row=row,
        mark=state_mark(row),
        head=_head(row),
        facts=_facts(row),
        findings=_findings(row),
        uses=_uses(row),
        used=len(row["uses"]),
        own=own,
        signable=signable,
        may_approve="approve" in principal.roles and signable and not own and known,
        may_revoke="approve" in principal.roles and row["status"] not in ("revoked", "expired") and known,
        signature=signature,
        reason=reason,
        left=row["approvals_needed"] - len({each["by"] for each in row["signed"]}),
    )


def state_mark(row: Mapping[str, Any]) -> Mark:
    """Return the state of a waiver."""
    if row["status"] == "active" and row["days_left"] <= EXPIRING_DAYS:
        return Mark("active, expires soon", "warn")
    word = "active by its file" if row["status"] == "file" else row["status"]
    return Mark(word, _TONES.get(row["status"], "plain"))


def _of(rows: list[dict[str, Any]], state: str) -> list[dict[str, Any]]:
    if state == "expiring":
        return list(reports(rows)["expiring"])
    return [row for row in rows if row["status"] in _STATES[state]]


def _table(rows: Sequence[Mapping[str, Any]], state: str) -> Table:
    shown = [
        (
            Link(row["rule"], url("/waivers", row["id"]), f"{row['ticket']}"),
            Lines((links.workload(row["namespace"], row["workload"]), row["option"])),
            Lines((state_mark(row), Mark("lifts nothing", "bad"))) if _idle(row) else state_mark(row),
            When(row["valid_from"], date=True),
            When(row["valid_until"], date=True),
            _left(row),
            row["requester"] if row["requester"] is not None else Muted("not held any more"),
        )
        for row in rows[:_MOST_ROWS]
    ]
    heads = columns("~Rule, ticket", "For", "State", "Valid from", "Valid until", "Left", "Asked for by")
    empty = "No waiver is on record." if state == "all" else "No waiver is in this state."
    return Table("Waivers", heads, shown, empty, hidden_caption=True)


def _idle(row: Mapping[str, Any]) -> bool:
    """Whether a waiver within its time lifts nothing: the approvers that the policy names are others by now."""
    return row["status"] in ("active", "file") and is_uncounted(row)


def _left(row: Mapping[str, Any]) -> Cell:
    days = row["days_left"]
    if row["status"] == "revoked" or days < 0:
        return None
    return Mark(f"{days} day{'' if days == 1 else 's'}", "warn" if days <= EXPIRING_DAYS else "plain")


def _late(found: Mapping[str, Any]) -> tuple[Cell, str]:
    return links.waiver(found["waiver"]), str(found["told"])


def _head(row: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [
        ("State", state_mark(row)),
        ("Rule", links.rule(row["rule"])),
        ("Workload", links.workload(row["namespace"], row["workload"])),
        ("Option", row["option"]),
        ("Task", row["task"] or Muted("any")),
        ("Valid from", When(row["valid_from"], date=True)),
        ("Valid until", When(row["valid_until"], date=True)),
        ("Reason", row["reason"]),
        ("Ticket", row["ticket"]),
        ("Asked for by", row["requester"] if row["requester"] is not None else Muted("not held any more")),
        ("Known by", row["requester_known_by"]),
        *_signed(row),
        ("Approved by", _approved(row)),
        ("Signatures", row["signatures"] or Muted("nothing to verify")),
        ("Decision", Link(row["decision"][:12], url("/decisions", row["decision"]), code=True)),
        ("Waiver", Code(row["id"])),
    ]
    if row["granted_at"]:
        found.append(("Granted", Lines((When(row["granted_at"]), f"entry {row['granted_index']}"))))
    if row["revoked_at"]:
        found.append(("Revoked", Lines((When(row["revoked_at"]), row["revoked_why"] or ""))))
    return found


def _signed(row: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """Return who signed it so far; once it is granted that is who approved it."""
    if row["granted_index"] is not None:
        return []
    return [("Signed by", Lines(tuple(each["by"] for each in row["signed"])) if row["signed"] else Muted("nobody yet"))]


def _approved(row: Mapping[str, Any]) -> Cell:
    if row["granted_index"] is None:
        return Muted("not granted")
    names = [name if name is not None else Muted("(not held any more)") for name in row["approvers"]]
    return Lines(tuple(names)) if names else Muted("nobody")


def _facts(row: Mapping[str, Any]) -> list[str]:
    known = [f"{name} = {value_text(value)}" for name, value in sorted(row["facts"].items())]
    return [*known, *(f"{name} was not known" for name in row["missing"])]


def _findings(row: Mapping[str, Any]) -> list[str]:
    found = []
    if row["self_approved"] or row["same_actor"]:
        found.append("Who asked and who approved are one by name, or one person did both.")
    if row["elsewhere"]:
        found.append("It was made for another ledger, and lifts nothing here.")
    elif row["granted_index"] is not None and not row["requester_as_signed"]:
        found.append("Who asked for it cannot be told, or is another person than was signed: it lifts nothing.")
    if _idle(row):
        found.append(
            f"Its signatures do not count under the policy in force, and it lifts nothing: {row['signatures']}."
        )
    return found


def _uses(row: Mapping[str, Any]) -> Table:
    late = {use["index"] for use in row["used_out_of_time"]}
    newest = sorted(row["uses"], key=lambda use: -use["index"])[:_MOST_USES]
    rows = [
        (
            Link(str(use["decision"])[:12], url("/decisions", str(use["decision"])), code=True),
            str(use["index"]),
            When(use["decided_at"]),
            Mark("out of its time", "bad") if use["index"] in late else None,
        )
        for use in newest
    ]
    heads = columns("Decision", ">Entry", "Decided", "~To note")
    return Table("Each use", heads, rows, "No decision used it.", hidden_caption=True)
