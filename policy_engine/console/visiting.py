"""Who visits the console, and what their pages are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine import __version__
from policy_engine.access.browsers import SAFE
from policy_engine.access.principal import ANY, Principal
from policy_engine.access.sessions import token_of
from policy_engine.api.forms import check_form, csrf_field
from policy_engine.api.forms import principal_of_page as whose_page
from policy_engine.api.requests import service_of, session_of
from policy_engine.console.filters import check_taken
from policy_engine.console.navigation import SECTIONS
from policy_engine.console.styles import stylesheet
from policy_engine.console.templates import render, words
from policy_engine.decide import format_time
from policy_engine.errors import Problem
from policy_engine.service.errors import NotFoundError
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_engine.service.service import Service

_MOST_PROBLEMS = 5
#: Where in an answer a page begins, and that it is made: nothing of what is asked.
_HOW = frozenset({"cursor", "make"})
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


async def principal_of_page(request: Request, role: str = ANY) -> Principal:
    """Return who asks for a page, who has to have `role`; the page has to have the filters that its address names.

    Raises:
        UsageError: it has not (`filters.takes`); whoever may not see the page is told that first.
        as `api.forms.principal_of_page`.
    """
    principal = await whose_page(request, role)
    _check_address(request)
    return principal


def _check_address(request: Request) -> None:
    # a page that reads its filters itself, and one that is no page of ours, have none that are known here
    if request.method in SAFE and "endpoint" in request.scope:
        check_taken(request.query_params.multi_items(), request.scope["endpoint"])


async def visitor(request: Request, *roles: str) -> Principal:
    """Return who visits, who has to have one of `roles`; the first one is named to whoever has none.

    Raises:
        as `principal_of_page`.
    """
    principal = await whose_page(request)
    if not principal.roles & set(roles):
        principal.require(roles[0])
    _check_address(request)
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


def _asked(request: Request) -> list[tuple[str, str]]:
    """Return what the address asks for, in words: on paper there is no form that says so."""
    items = request.query_params.multi_items() if request.method in SAFE else []
    return [(words(name), value) for name, value in items if value.strip() and name not in _HOW]


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
        "made_at": format_time(now()),
        "asked": _asked(request),
    }
    text = await asyncio.to_thread(render, template, {**frame, **values})
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": CONTENT_POLICY}
    return Response(text.encode(), status, headers, "text/html; charset=utf-8")
