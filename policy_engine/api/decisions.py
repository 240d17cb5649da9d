"""`POST /v1/decisions`: decide, record, answer."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import JSON as JSON_TYPE
from policy_engine.api.openapi import YAML as YAML_TYPE
from policy_engine.api.openapi import answers, in_header, json_body, parameters, problems, query, ref
from policy_engine.api.requests import (
    JSON,
    YAML,
    authorization_of,
    body_of,
    check_media_type,
    principal_of,
    service_of,
)
from policy_engine.errors import InputError, Problem
from policy_engine.recorder import PURPOSES
from policy_engine.service.service import Asked

router = APIRouter()
#: What CI systems say of a run, as `recorder.context_from_environment` names it.
DETAILS = ("repository", "commit", "run", "ref", "pull_request")


_WORKLOADS = {"oneOf": [ref("Workload"), {"type": "array", "items": ref("Workload"), "minItems": 1}]}
_DECISIONS = {"oneOf": [ref("Decision"), {"type": "array", "items": ref("Decision")}]}


@router.post(
    "/v1/decisions",
    responses={
        **answers(_DECISIONS, "The decision, or in the order of the list all of them; they are on record."),
        **problems(400, 401, 403, 408, 413, 415, 422, 429, 503, _409="The key was used for another request."),
    },
    openapi_extra={
        **json_body(_WORKLOADS, description="A workload, or a list of them.", media_types=(JSON_TYPE, YAML_TYPE)),
        **parameters(
            query("purpose", {"type": "string", "enum": list(PURPOSES), "default": "draft"}, "What it is decided for."),
            *(query(name, {"type": "string"}, "What a CI system says of its run.") for name in DETAILS),
            in_header("Idempotency-Key", {"type": "string"}, "Within 24 h the same key is the same request."),
        ),
    },
)
async def decide(request: Request) -> Response:
    """Decide one workload or a list, record the decisions, and answer them."""
    # before the body is read; the decision itself asks again, on the ground that it is recorded on
    await principal_of(request, "decide", exact=False)
    check_media_type(request, JSON | YAML)
    purpose = request.query_params.get("purpose", "draft")
    if purpose not in PURPOSES:
        message = f"`{purpose[:40]}` is no purpose of a decision"
        raise InputError(Problem("purpose", message, help=f"one of {', '.join(PURPOSES)}"))
    details = {name: request.query_params[name] for name in DETAILS if name in request.query_params}
    asked = Asked(
        await body_of(request), authorization_of(request), purpose, details, request.headers.get("idempotency-key")
    )
    answer = await service_of(request).decide(asked)
    return Response(
        json_bytes(answer.decisions if answer.listed else answer.decisions[0]), media_type="application/json"
    )
