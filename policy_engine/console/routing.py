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

from policy_engine.access.browsers import SAFE
from policy_engine.access.principal import UnauthenticatedError
from policy_engine.api.forms import end_session
from policy_engine.api.problems import RETRY_SECONDS, status_of, told_to
from policy_engine.api.requests import session_of
from policy_engine.console.navigation import first_page
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.console.words_for_people import for_people
from policy_engine.errors import PolicyError, Problem
from policy_engine.service.errors import NotFoundError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
#: Where the addresses of programs begin.
_PROGRAMS = ("/v1/", "/access/", "/tile/")
_KNOWN = (400, 403, 404)
_LOG_OUT = "/logout"
#: The last part of addresses that forms are sent to, and that no page is at: the page is the part before it.
_SENT_TO = frozenset({"approval", "revocation", "removal", "verifications"})
#: Why a session is over, as the page of the log-in says it.
ENDED = frozenset({"token-expired", "token-revoked", "token-nobody", "session-ended"})
_TITLES = {
    400: "This address is not usable",
    410: "This is not held any more",
    413: "This is too large",
    422: "This cannot be used",
    403: "You may not do this",
    404: "There is no such page",
    409: "That cannot be done",
    429: "Too much at once",
    503: "The ledger cannot be used",
}
#: What is not there, where that is something else than a page.
_MISSING = {
    "decision-missing": "There is no such decision",
    "workload-missing": "There is no such workload",
    "waiver-missing": "There is no such waiver",
    "unknown-report": "There is no such report",
    "unknown-name": "There is nothing of this name",
    "export-missing": "There is no such export",
    "verification-missing": "There is no such verification",
}


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """Return the handler, with errors as pages."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except UnauthenticatedError as error:
                return to_log_in(request, error)
            except PolicyError as error:
                return await problem_page(request, error)

        return guarded


def page_router() -> APIRouter:
    """Return a router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def to_log_in(request: Request, error: UnauthenticatedError) -> Response:
    """Lead to the form to log in, and from there back to where the visitor was, with why their session is over."""
    safe, path = request.method in SAFE, request.url.path
    back = f"{path}?{request.url.query}" if safe and request.url.query else path if safe else page_of_form(path)
    had = session_of(request) is not None
    answer = RedirectResponse(
        url("/login", next=back, problem=(error.code if error.code in ENDED else "session-ended") if had else None),
        303,
        headers={"Cache-Control": "no-store"},
    )
    if had:
        end_session(request, answer)
    return answer


def is_for_people(request: Request) -> bool:
    """Whether a path that no route has was typed or followed by a person: programs do not ask for HTML."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(_PROGRAMS)


def page_of_form(path: str) -> str:
    """Return the page whose form is sent to `path`, where that is no page itself."""
    parent, _, last = path.rpartition("/")
    if path == _LOG_OUT:
        return "/"
    return parent if last in _SENT_TO and parent else path


async def page_for_form(request: Request) -> Response:
    """Answer whoever opens the address that a form is sent to: the form's page, or that nothing can be opened here."""
    place = page_of_form(request.url.path)
    if request.method in SAFE and place != request.url.path:
        return RedirectResponse(place, 303, headers={"Cache-Control": "no-store"})
    return await missing_page(request)


async def missing_page(request: Request) -> Response:
    """Answer that there is no such page, in the frame of whoever is logged in."""
    message = "there is nothing at this address; it may be mistyped"
    return await problem_page(
        request, NotFoundError(Problem("page-missing", message, help="go on from your first page"))
    )


async def problem_page(request: Request, error: PolicyError) -> Response:
    """Answer with what is wrong, and what to do about it."""
    error = told_to(request, error)
    status = status_of(error)
    if status in _KNOWN and not hasattr(request.state, "principal"):
        with suppress(PolicyError):
            await principal_of_page(request)  # so that the page has their menu
    title = (_MISSING.get(error.code) if status == 404 else None) or _TITLES.get(status, HTTPStatus(status).phrase)
    principal = getattr(request.state, "principal", None)
    answer = await page(
        request,
        "problem.html",
        title,
        status=status,
        problems=[for_people(each) for each in error.problems],
        code=status,
        first=first_page(principal.roles) if principal is not None else "/",
    )
    if status in (429, 503):
        answer.headers["Retry-After"] = str(getattr(error, "seconds", RETRY_SECONDS))
    return answer
