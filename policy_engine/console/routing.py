"""Routes of pages: an error is a page, too, and whoever is not known is led to the form to log in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.api.problems import RETRY_SECONDS, status_of, told_to
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.errors import PolicyError, Problem
from policy_engine.service.errors import NotFoundError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
#: Where the addresses of programs begin.
_PROGRAMS = ("/v1/", "/access/", "/tile/")
_KNOWN = (403, 404)
_TITLES = {
    403: "You may not do this",
    404: "There is no such page",
    409: "That cannot be done",
    429: "Too much at once",
    503: "The ledger cannot be used",
}


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """Return the handler, with errors as pages."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except UnauthenticatedError:
                return to_log_in(request)
            except PolicyError as error:
                return await problem_page(request, error)

        return guarded


def page_router() -> APIRouter:
    """Return a router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def to_log_in(request: Request) -> Response:
    """Lead to the form to log in, and from there back to where the visitor was."""
    back = url(request.url.path, **dict(request.query_params)) if request.method == "GET" else request.url.path
    return RedirectResponse(url("/login", next=back), 303, headers={"Cache-Control": "no-store"})


def is_for_people(request: Request) -> bool:
    """Whether a path that no route has was typed or followed by a person: programs do not ask for HTML."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(_PROGRAMS)


async def missing_page(request: Request) -> Response:
    """Answer that there is no such page, in the frame of whoever is logged in."""
    message = "there is nothing at this address; it may be mistyped"
    return await problem_page(request, NotFoundError(Problem("page-missing", message, help="the menu has all pages")))


async def problem_page(request: Request, error: PolicyError) -> Response:
    """Answer with what is wrong, and what to do about it."""
    error = told_to(request, error)
    status = status_of(error)
    if status in _KNOWN and not hasattr(request.state, "principal"):
        with suppress(PolicyError):
            await principal_of_page(request)  # so that the page has their menu
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    answer = await page(request, "problem.html", title, status=status, problems=error.problems, code=status)
    if status in (429, 503):
        answer.headers["Retry-After"] = str(getattr(error, "seconds", RETRY_SECONDS))
    return answer
