"""`/v1/waivers`: asked for, approved by people with keys of their own, listed, taken back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.bodies import json_of
from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import answers, in_path, json_body, parameters, problems, ref
from policy_engine.api.parameters import choice, documented, number, read, text
from policy_engine.api.requests import authorization_of, principal_of, principal_with, record_read, service_of
from policy_engine.api.waiver_schemas import APPROVAL_EXAMPLE, REQUEST_EXAMPLE
from policy_engine.errors import Problem, UsageError
from policy_engine.service import waivers
from policy_engine.service.errors import ConflictError
from policy_engine.service.waivers import WaiverRequest
from policy_engine.waivers.files import LONGEST_LINE, MOST_SIGNATURES
from policy_engine.waivers.listing import WANTED

router = APIRouter()
_ID = in_path("id", "The waiver's id, or the beginning of one: 4 digits or more.", example="4f1c2a7e")
_ANSWER = answers(ref("Waiver"), "The waiver.")
_REFUSED = problems(400, 401, 403, 404, 422, 503)
_LISTED = (
    choice("status", WANTED, f"Which ones; `{WANTED[0]}` where nothing is said."),
    number("expiring", 0, 36_500, "Active, and ending within so many days."),
)
_REASON = (text("reason", "Why; wanted, and kept for good: name no people."),)


class Approval(Struct, frozen=True, forbid_unknown_fields=True):
    """Signature lines over the waiver's `text`; one of them is new, and by whoever sends them."""

    signatures: Annotated[
        list[Annotated[str, Meta(max_length=LONGEST_LINE)]], Meta(min_length=1, max_length=MOST_SIGNATURES)
    ]


@router.post(
    "/v1/waivers",
    responses={
        **answers(ref("Waiver"), "It is asked for.", status=201, headers={"Location": "The waiver."}),
        **problems(400, 401, 403, 404, 408, 413, 415, 422, 503),
    },
    openapi_extra=json_body(ref("WaiverRequest"), example=REQUEST_EXAMPLE),
)
async def request_waiver(request: Request) -> Response:
    """Ask to waive a rule that stood against an option in a recorded decision. Role `decide`.

    Whoever is authenticated asks. The answer has the `text` that approvers sign.
    """
    await principal_of(request, "decide")
    read(request, ())
    wanted = await json_of(request, WaiverRequest)
    found, warning = await waivers.ask(service_of(request), authorization_of(request), wanted)
    answer = _json({**found, "warning": warning}, 201)
    answer.headers["Location"] = f"/v1/waivers/{found['id']}"
    return answer


@router.get(
    "/v1/waivers",
    responses={**answers(ref("WaiverList"), "The waivers."), **problems(400, 401, 403, 503)},
    openapi_extra=documented(_LISTED),
)
async def list_waivers(request: Request) -> Response:
    """List the waivers on record, their signatures verified by the policy in force. Role `read` or `approve`."""
    principal = await principal_with(request, "read", "approve")
    asked = read(request, _LISTED)
    status = asked["status"] or WANTED[0]
    found = await waivers.waivers(service_of(request), principal, status, asked["expiring"])
    await record_read(request, "waiver list", len(found["waivers"]) + len(found["used_out_of_time"]))
    return _json(found)


@router.get("/v1/waivers/{id}", responses={**_ANSWER, **_REFUSED}, openapi_extra=parameters(_ID))
async def show_waiver(request: Request) -> Response:
    """Show one waiver, with the exact `text` that its approvers sign. Role `read` or `approve`."""
    principal = await principal_with(request, "read", "approve")
    read(request, ())
    found = await waivers.waiver(service_of(request), principal, request.path_params["id"])
    await record_read(request, "waiver show", 1)
    return _json(found)


@router.get(
    "/v1/waivers/{id}/file",
    responses={**answers({"type": "object"}, "The file."), **_REFUSED, **problems(409)},
    openapi_extra=parameters(_ID),
)
async def waiver_file(request: Request) -> Response:
    """Return the file that `policy waiver sign` and `policy waiver approve` take. Role `read` or `approve`."""
    principal = await principal_with(request, "read", "approve")
    read(request, ())
    found = await waivers.waiver(service_of(request), principal, request.path_params["id"])
    if found["file"] is None:
        message = "the ledger does not hold who asked for this waiver, and nobody can sign it"
        raise ConflictError(Problem("requester-untold", message))
    await record_read(request, "waiver show", 1)
    return _json(found["file"])


@router.post(
    "/v1/waivers/{id}/approval",
    responses={
        **answers(ref("Waiver"), "Enough people have signed: it is granted."),
        **answers(ref("Waiver"), "Signed, and on record; more people are needed.", status=202),
        **problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    },
    openapi_extra={**parameters(_ID), **json_body(ref("WaiverApproval"), example=APPROVAL_EXAMPLE)},
)
async def approve_waiver(request: Request) -> Response:
    """Approve a waiver with a signature by one's own key over its `text`. Role `approve`.

    Nobody approves what they asked for (409 `own-waiver`), and nobody with another person's key (403).
    """
    await principal_of(request, "approve")
    read(request, ())
    signed = await json_of(request, Approval)
    identifier = request.path_params["id"]
    found, granted = await waivers.approve(
        service_of(request), authorization_of(request), identifier, signed.signatures
    )
    return _json(found, 200 if granted else 202)


@router.delete(
    "/v1/waivers/{id}",
    responses={**_ANSWER, **_REFUSED},
    openapi_extra={"parameters": [_ID, {**documented(_REASON)["parameters"][0], "required": True}]},
)
async def revoke_waiver(request: Request) -> Response:
    """Take a waiver back: it lifts nothing any more. One that was taken back stays so. Role `approve`."""
    await principal_of(request, "approve")
    reason = read(request, _REASON)["reason"]
    if reason is None:
        raise UsageError(Problem("parameter", "the parameter `reason` is wanted", help="say why, and name no people"))
    return _json(
        await waivers.revoke(service_of(request), authorization_of(request), request.path_params["id"], reason)
    )


def _json(value: Any, status: int = 200) -> Response:
    return Response(json_bytes(value), status, media_type="application/json")
