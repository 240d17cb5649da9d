"""`POST /login` and `POST /logout`: a session of the console begins and ends."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.api.forms import check_form, check_origin, end_session, fields_of, log_in, set_session

router = APIRouter(include_in_schema=False)
PAGE = "/login"


@router.post("/login")
async def begin(request: Request) -> Response:
    """Begin a session with the token of the field `token`; the page of the log-in says what was wrong with it."""
    check_origin(request)
    fields = await fields_of(request)
    try:
        _, value = await log_in(request, next(iter(fields.get("token", ())), "").strip())
    except UnauthenticatedError as error:
        return RedirectResponse(f"{PAGE}?problem={error.code}", 303)
    response = RedirectResponse("/", 303)
    set_session(request, response, value)
    return response


@router.post("/logout")
async def end(request: Request) -> Response:
    """End the session in this browser."""
    await check_form(request)
    response = RedirectResponse(PAGE, 303)
    end_session(request, response)
    response.headers["Clear-Site-Data"] = '"cache", "cookies"'
    return response
