"""What no route answers, as problem documents: 404 for a path that is not there, 405 for another method."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from policy_engine.api.problems import problem_response
from policy_engine.errors import InputError, PolicyError, Problem
from policy_engine.service.errors import NotFoundError
from policy_engine.wording import printable

_SEEN = 100


async def refuse(request: Request, error: Exception) -> Response:
    """Return the problem document of what the routing refused."""
    allowed = _allowed(request, error) if isinstance(error, HTTPException) and error.status_code == 405 else []
    method, path = printable(request.method[:_SEEN]), printable(request.url.path[:_SEEN])
    if allowed:
        message = f"`{path}` does not take {method}"
        refused: PolicyError = InputError(Problem("method", message, help=f"it takes {', '.join(allowed)}"))
    else:
        message = f"there is nothing at `{path}`"
        refused = NotFoundError(Problem("path-missing", message, help="`/openapi.json` lists what there is"))
    answer = problem_response(refused)
    if allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _allowed(request: Request, error: HTTPException) -> list[str]:
    """Return the methods that the path takes; one path may have several routes, of which the error names one."""
    named = (error.headers or {}).get("Allow", "")
    found = {each.strip() for each in named.split(",") if each.strip()}
    for route in (each for router in request.app.state.documented for each in router.routes):
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def answer_head(routers: Sequence[APIRouter]) -> None:
    """Let every route that answers GET answer HEAD, too; the server leaves the body out."""
    for route in (each for router in routers for each in router.routes):
        if isinstance(route, Route) and route.methods is not None and "GET" in route.methods:
            route.methods.add("HEAD")
