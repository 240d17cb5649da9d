"""`/openapi.json`: the OpenAPI 3.1 document of the routes, made from what they say of themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.document_schemas import workload_at
from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import PUBLIC, answers, problems
from policy_engine.api.requests import service_of
from policy_engine.api.schemas import SCHEMAS

if TYPE_CHECKING:
    from policy_engine.model.vocabulary import Vocabulary

router = APIRouter()
#: What is answered before any route is asked.
EVERYWHERE = (400, 403, 408, 414, 415, 429, 431)
_CONVERTER = re.compile(r"\{(\w+):\w+\}")
_NAMED = re.compile(r"\{(\w+)\}")
_REFERENCE = "#/components/schemas/"
_ABOUT = """Decide where an AI workload may run, and read what is on record of it.

Each decision is recorded in a verifiable ledger before it is answered. Errors are problem documents (RFC 9457)."""
_BEARER = "`Authorization: Bearer ...`: a token of `policy token create`, or an access token of the OpenID provider."


@router.get("/openapi.json", responses=answers({"type": "object"}, "This document."), openapi_extra=PUBLIC)
async def openapi_json(request: Request) -> Response:
    """Return what this server takes and answers, as OpenAPI 3.1."""
    state, policy = request.app.state, service_of(request).policy
    if getattr(state, "openapi", ("",))[0] != policy.digest:
        found = openapi(state.documented, request.app.version, policy.vocabulary)
        state.openapi = policy.digest, json_bytes(found)
    return Response(state.openapi[1], media_type="application/json")


def openapi(routers: Iterable[APIRouter], version: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the OpenAPI document of the routes of these routers; those with `include_in_schema=False` are left out.

    Workloads are described in the words of `vocabulary`, that of the policy in force.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in (each for routes in routers for each in routes.routes):
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        place = paths.setdefault(_CONVERTER.sub(r"{\1}", route.path), {})
        for method in _methods(route):
            place[method.lower()] = _operation(route, method)
    paths = dict(sorted(paths.items()))
    schemas = {name: SCHEMAS[name] for name in sorted(_used(paths))}
    if "Workload" in schemas:
        schemas["Workload"] = workload_at(f"{_REFERENCE}Workload", vocabulary)
    return {
        "openapi": "3.1.0",
        "info": {"title": "policy-engine", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): answer for status, answer in problems(*EVERYWHERE).items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _BEARER}},
        },
    }


def _methods(route: APIRoute) -> list[str]:
    return sorted((route.methods or set()) - {"HEAD"})


def _operation(route: APIRoute, method: str) -> dict[str, Any]:
    lines = inspect.cleandoc(route.endpoint.__doc__ or "").split("\n", 1)
    extra: Mapping[str, Any] = route.openapi_extra or {}
    given = list(extra.get("parameters", ()))
    named = {each["name"] for each in given if each["in"] == "path"}
    missing = [each for each in _NAMED.findall(_CONVERTER.sub(r"{\1}", route.path)) if each not in named]
    plain = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in missing]
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{route.name}" if len(_methods(route)) > 1 else route.name,
        "summary": lines[0],
    }
    if len(lines) > 1 and (rest := lines[1].partition("\nRaises:")[0].strip()):
        operation["description"] = rest
    if plain or given:
        operation["parameters"] = [*plain, *given]
    operation |= {name: value for name, value in extra.items() if name != "parameters"}
    found = {str(status): answer for status, answer in route.responses.items()}
    everywhere = {str(status): {"$ref": f"#/components/responses/{status}"} for status in EVERYWHERE}
    return {**operation, "responses": dict(sorted({**everywhere, **found}.items()))}


def _used(value: Any) -> set[str]:
    """Return the names of the schemas that `value` refers to, and those that they refer to."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            name = each.get("$ref")
            if isinstance(name, str) and name.startswith(_REFERENCE):
                key = name.removeprefix(_REFERENCE).partition("/")[0]
                if key not in found:
                    found.add(key)
                    waiting.append(SCHEMAS[key])
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
    return found
