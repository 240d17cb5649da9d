"""`/login` and `/logout`: a session of the console begins and ends."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.api.forms import check_form, check_origin, end_session, fields_of, log_in, set_session
from policy_engine.api.requests import service_of
from policy_engine.console.forms import Field
from policy_engine.console.routing import page_router
from policy_engine.console.urls import local, url
from policy_engine.console.visiting import page

router = page_router()
PAGE = "/login"
_PROBLEMS = {
    "token-expired": "This token has expired. Ask an administrator for a new one.",
    "token-revoked": "This token was revoked. Ask an administrator for a new one.",
    "token-nobody": "Whose this token was is erased. Ask an administrator for a new one.",
    "token-too-long": (
        "This token is too long for a browser's session, which holds 3,800 characters. The API takes it; for the "
        "console ask for a token of policy token create, or for one with fewer claims."
    ),
    "session-ended": "Your session has ended. Log in again.",
}
_HINT = "An administrator makes one with policy token create; it begins with pe_."
_ISSUER = " A token of your organisation's issuer is taken as well, of at most 3,800 characters."
_UNKNOWN = "This is not a token that counts here. Copy it again, whole, from where you were given it."


@router.get("/login")
async def form(request: Request) -> Response:
    """Show the form to log in."""
    given = request.query_params
    problem = _PROBLEMS.get(given["problem"], _UNKNOWN) if "problem" in given else None
    field = Field(
        "token",
        "Access token",
        "password",
        required=True,
        hint=_HINT + (_ISSUER if service_of(request).settings.oidc else ""),
        error=problem,
        complete="current-password",
    )
    back = local(given.get("next", "/"))
    return await page(request, "login.html", "Log in", field=field, back=back, status=401 if problem else 200)


@router.post("/login")
async def begin(request: Request) -> Response:
    """Begin a session with the token of the field `token`; the page of the log-in says what was wrong with it."""
    check_origin(request)
    fields = await fields_of(request)
    back = local(next(iter(fields.get("next", ())), "/"))
    try:
        _, value = await log_in(request, next(iter(fields.get("token", ())), "").strip())
    except UnauthenticatedError as error:
        return RedirectResponse(url(PAGE, problem=error.code, next=back if back != "/" else None), 303)
    response = RedirectResponse(back, 303)
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
