"""Who visits the console, and what their pages are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine import __version__
from policy_engine.access.principal import Principal
from policy_engine.access.sessions import token_of
from policy_engine.api.forms import check_form, csrf_field, principal_of_page
from policy_engine.api.requests import service_of, session_of
from policy_engine.console.navigation import SECTIONS
from policy_engine.console.styles import stylesheet
from policy_engine.console.templates import render
from policy_engine.errors import Problem
from policy_engine.service.errors import NotFoundError
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_engine.service.service import Service

_MOST_PROBLEMS = 5
__all__ = ["authorization_of_page", "check_form", "check_reach", "page", "principal_of_page", "see", "visitor"]
#: No script at all, nothing from elsewhere, no frame around it, and forms that lead here alone.
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


def authorization_of_page(request: Request) -> str | None:
    """Return what says who sent a form, once `check_form` took it; None in open mode."""
    value = session_of(request)
    return f"Bearer {token_of(value, now())}" if value is not None else None


async def visitor(request: Request, *roles: str) -> Principal:
    """Return who visits, who has to have one of `roles`; the first one is named to whoever has none.

    Raises:
        as `principal_of_page`.
    """
    principal = await principal_of_page(request)
    if not principal.roles & set(roles):
        principal.require(roles[0])
    return principal


def see(path: str) -> Response:
    """Lead to another page, as the answer to a form: to load it again sends nothing again."""
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})


def check_reach(principal: Principal, namespace: str, what: str) -> None:
    """Refuse what is in a namespace that the principal does not reach, as what is not there.

    Raises:
        NotFoundError: it is.
    """
    if principal.namespaces is not None and namespace not in principal.namespaces:
        raise NotFoundError(Problem("not-found", f"there is no such {what}"))


def _old_rules(service: Service, principal: Principal | None) -> dict[str, Any] | None:
    """Return since when the rules in force are older than those given, and to whom it may say so what is wrong."""
    failed = service.rules.failed
    if failed is None or principal is None:
        return None
    told = failed.problems[:_MOST_PROBLEMS] if principal.roles & {"read", "administer"} else []
    return {"since": failed.since, "problems": [_placed(each) for each in told]}


def _placed(problem: Mapping[str, Any]) -> str:
    place = problem.get("place")
    return f"{place}: {problem['message']}" if place else str(problem["message"])


async def page(request: Request, template: str, title: str, /, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page: what its template makes of `values`, and of what stands on every page."""
    service = service_of(request)
    principal: Principal | None = getattr(request.state, "principal", None)
    frame = {
        "title": title,
        "path": request.url.path,
        "sections": SECTIONS,
        "principal": principal,
        "stylesheet": stylesheet()[0],
        "policy": service.policy,
        "old_rules": _old_rules(service, principal),
        "form_token": csrf_field(request),
        "engine": __version__,
    }
    text = await asyncio.to_thread(render, template, {**frame, **values})
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": CONTENT_POLICY}
    return Response(text.encode(), status, headers, "text/html; charset=utf-8")
