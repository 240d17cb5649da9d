"""`POST /v1/decisions`: decide, record, answer."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.principal import ForbiddenError
from policy_engine.api.multipart import MEDIA_TYPE, read_parts
from policy_engine.api.openapi import JSON as JSON_TYPE
from policy_engine.api.openapi import YAML as YAML_TYPE
from policy_engine.api.openapi import answers, in_header, json_body, parameters, problems, query, ref
from policy_engine.api.parameters import Parameter, flag, read
from policy_engine.api.requests import (
    JSON,
    UNRECORDED,
    YAML,
    address_of,
    authorization_of,
    body_of,
    check_media_type,
    identified_again,
    media_type_of,
    principal_of,
    service_of,
)
from policy_engine.errors import InputError, Problem
from policy_engine.recorder import PURPOSES
from policy_engine.service.service import Asked
from policy_engine.wording import printable

router = APIRouter()
FORM = frozenset({MEDIA_TYPE})
#: What CI systems say of a run, as `recorder.context_from_environment` names it.
DETAILS = ("repository", "commit", "run", "ref", "pull_request")


_ALL_RULES = flag("all_rules", "With the rules that did not fire, too: the whole document that `id` is the SHA-256 of.")
_PARAMETERS = (
    Parameter("purpose", {"type": "string"}, "What it is decided for.", str, "draft"),
    *(Parameter(name, {"type": "string"}, "What a CI system says of its run.", str) for name in DETAILS),
    _ALL_RULES,
)
_WORKLOADS = {"oneOf": [ref("Workload"), {"type": "array", "items": ref("Workload"), "minItems": 1}]}
_DECISIONS = {"oneOf": [ref("Decision"), {"type": "array", "items": ref("Decision")}]}


@router.post(
    "/v1/decisions",
    responses={
        **answers(_DECISIONS, "The decision, or in the order of the list all of them; they are on record."),
        **problems(400, 401, 403, 408, 413, 415, 422, 429, 503, _409="The key was used for another request."),
    },
    openapi_extra={
        **json_body(
            _WORKLOADS,
            description="A workload, or a list of them; as a form the files that their evidence names may come along.",
            media_types=(JSON_TYPE, YAML_TYPE),
        ),
        **parameters(
            query("purpose", {"type": "string", "enum": list(PURPOSES), "default": "draft"}, "What it is decided for."),
            *(query(name, {"type": "string"}, "What a CI system says of its run.") for name in DETAILS),
            query(_ALL_RULES.name, _ALL_RULES.schema, _ALL_RULES.description),
            in_header(
                "Idempotency-Key",
                {"type": "string", "minLength": 1, "maxLength": 255},
                "Within 24 h the same key is the same request.",
            ),
        ),
    },
)
async def decide(request: Request) -> Response:
    """Decide one workload or a list, record the decisions, and answer them."""
    try:
        return await _decide(request)
    except UNRECORDED:
        await identified_again(request)
        raise


async def _decide(request: Request) -> Response:
    # before the body is read; the decision itself asks again, on the ground that it is recorded on
    await principal_of(request, "decide", exact=False)
    check_media_type(request, JSON | YAML | FORM)
    refuse_forms_of_others(request)
    purpose, details, all_rules = _said_of_it(request) if request.scope["query_string"] else ("draft", {}, False)
    body = await body_of(request)
    body, files = read_parts(request.headers["content-type"], body) if is_multipart(request) else (body, {})
    asked = Asked(
        body,
        authorization_of(request),
        purpose,
        details,
        request.headers.get("idempotency-key"),
        files,
        address_of(request),
        is_json=media_type_of(request) in JSON,
        all_rules=all_rules,
    )
    answer = await service_of(request).decide(asked)
    headers = {"Idempotency-Replayed": "true"} if answer.repeated else None
    return Response(answer.content, headers=headers, media_type="application/json")


def _said_of_it(request: Request) -> tuple[str, dict[str, str], bool]:
    """Return what it is decided for, what a CI system says of its run, and whether all rules are wanted."""
    given = read(request, _PARAMETERS)
    purpose, all_rules = given.pop("purpose"), bool(given.pop("all_rules"))
    if purpose not in PURPOSES:
        message = f"`{printable(purpose[:40])}` is no purpose of a decision"
        raise InputError(Problem("purpose", message, help=f"one of {', '.join(PURPOSES)}"))
    return purpose, {name: value for name, value in given.items() if value is not None}, all_rules


def is_multipart(request: Request) -> bool:
    """Whether files came along."""
    return media_type_of(request) == MEDIA_TYPE


def refuse_forms_of_others(request: Request) -> None:
    """Refuse a form that a page of another site may have sent: browsers ask nobody before they send one.

    Raises:
        ForbiddenError: it has an origin, and nothing says who asks.
    """
    if is_multipart(request) and "origin" in request.headers and authorization_of(request) is None:
        raise ForbiddenError(Problem("cross-site", "a page in a browser sends this", help="send a token with it"))
