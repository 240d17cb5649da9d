"""OpenID AuthZEN Authorization API 1.0: `/access/v1/evaluation`, `/access/v1/evaluations`, and its configuration."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.bodies import json_of
from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import PUBLIC, answers, json_body, problems
from policy_engine.api.parameters import read
from policy_engine.api.problems import status_of
from policy_engine.api.requests import (
    UNRECORDED,
    address_of,
    authorization_of,
    identified_again,
    principal_of,
    service_of,
)
from policy_engine.api.schemas import SCHEMAS, STRING, closed, listed, opened
from policy_engine.errors import PolicyError, Problem, UsageError
from policy_engine.service.evaluations import SEMANTICS, Evaluation, Evaluations, evaluate, evaluate_all, workload_of

router = APIRouter()
#: A name or an address, and a port: what is answered is followed, and nobody writes more into it than where they asked.
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")
_NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 500}
_SUBJECT = opened({"type": _NAME, "id": _NAME})
_ACTION = opened({"name": _NAME})
_RESOURCE = opened(
    {"type": _NAME, "id": _NAME},
    {"properties": opened({}, {"workload": {"type": "object"}, "digest": _NAME})},
)
_PARTS: dict[str, Any] = {"subject": _SUBJECT, "action": _ACTION, "resource": _RESOURCE, "context": {"type": "object"}}
SCHEMAS.update(
    {
        "Evaluation": {
            "description": "May the subject `deploy` the resource of the type `workload`, whose id is NAMESPACE/NAME? "
            "With its document in `properties.workload` it is decided now; without it the last decision counts. Where "
            "`properties.digest` is given, the document, or the decision, has to be of that version of the workload.",
            **opened({name: _PARTS[name] for name in ("subject", "action", "resource")}, _PARTS),
        },
        "Evaluations": {
            "description": "Several questions; what one does not say is taken from the top.",
            **opened(
                {},
                {
                    **_PARTS,
                    "evaluations": {"type": "array", "items": opened({}, _PARTS), "maxItems": 100},
                    "options": opened({}, {"evaluations_semantic": {"type": "string", "enum": list(SEMANTICS)}}),
                },
            ),
        },
        "EvaluationAnswer": closed({"decision": {"type": "boolean"}, "context": {"type": "object"}}),
        "EvaluationAnswers": {
            "anyOf": [
                closed({"evaluations": listed({"$ref": "#/components/schemas/EvaluationAnswer"})}),
                {"$ref": "#/components/schemas/EvaluationAnswer"},
            ]
        },
    }
)
EXAMPLE = {
    "subject": {"type": "user", "id": "ann@acme.example"},
    "action": {"name": "deploy"},
    "resource": {"type": "workload", "id": "support/triage"},
}
_REFUSED = problems(400, 401, 403, 408, 413, 415, 422, 429, 503)


@router.post(
    "/access/v1/evaluation",
    responses={**answers({"$ref": "#/components/schemas/EvaluationAnswer"}, "Yes, or no."), **_REFUSED},
    openapi_extra=json_body({"$ref": "#/components/schemas/Evaluation"}, example=EXAMPLE),
)
async def access_evaluation(request: Request) -> Response:
    """Say whether a subject may deploy a workload (OpenID AuthZEN). Role `decide`.

    Every answer is on record before it is given; what is not known is no.
    """
    try:
        # before the body is read; what is recorded is held to who may ask by then
        await principal_of(request, "decide", exact=False)
        read(request, ())
        asked = await json_of(request, Evaluation, UsageError, workload_of, again=True)
        found = await evaluate(service_of(request), authorization_of(request), asked, address_of(request))
    except UNRECORDED:
        await identified_again(request)
        raise
    return _answer(request, found)


@router.post(
    "/access/v1/evaluations",
    responses={**answers({"$ref": "#/components/schemas/EvaluationAnswers"}, "Yes or no, in order."), **_REFUSED},
    openapi_extra=json_body(
        {"$ref": "#/components/schemas/Evaluations"},
        example={**EXAMPLE, "evaluations": [{"resource": {"type": "workload", "id": "support/other"}}]},
    ),
)
async def access_evaluations(request: Request) -> Response:
    """Answer several such questions in their order (OpenID AuthZEN). Role `decide`."""
    await principal_of(request, "decide")
    read(request, ())
    asked = await json_of(request, Evaluations, UsageError)
    service, authorization = service_of(request), authorization_of(request)
    if not asked.evaluations:
        return _answer(request, await evaluate(service, authorization, asked, address_of(request)))
    found = await evaluate_all(service, authorization, asked, _error, address_of(request))
    return _answer(request, {"evaluations": found})


@router.get(
    "/.well-known/authzen-configuration",
    responses={
        **answers(
            closed(
                dict.fromkeys(
                    ("policy_decision_point", "access_evaluation_endpoint", "access_evaluations_endpoint"), STRING
                )
            ),
            "Where it is.",
        ),
        **problems(400),
    },
    openapi_extra=PUBLIC,
)
async def authzen_configuration(request: Request) -> Response:
    """Say where the endpoints of OpenID AuthZEN are, as seen from whoever asks."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise UsageError(Problem("host", "the header `Host` names no host", help="ask by a name, or an address"))
    scheme = "https" if service_of(request).settings.behind_tls else request.url.scheme
    base = f"{scheme}://{host}"
    found = {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
    }
    return Response(json_bytes(found), media_type="application/json", headers={"Cache-Control": "no-store"})


def _error(error: PolicyError) -> dict[str, Any]:
    return {"status": status_of(error), "message": error.problems[0].message, "code": error.code}


def _answer(request: Request, value: Any) -> Response:
    """Return an answer, with the request's own identifier, as the specification asks."""
    given = request.headers.get("x-request-id", "")
    headers = {"X-Request-ID": given} if _REQUEST_ID.fullmatch(given) else {}
    return Response(json_bytes(value), media_type="application/json", headers=headers)
