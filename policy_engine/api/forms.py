"""Forms of the console and the session that they belong to."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.browsers import check_same_origin
from policy_engine.access.principal import ANY
from policy_engine.access.sessions import (
    FORM_TOKEN,
    LONGEST,
    check_form_token,
    cookie_name,
    form_token,
    session_value,
    token_of,
)
from policy_engine.api.requests import body_of, check_media_type, identified, service_of, session_of
from policy_engine.errors import InputError, Problem
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal

FORM = frozenset({"application/x-www-form-urlencoded"})
_MOST_FIELDS = 200
_CODED = 3


async def principal_of_page(request: Request, role: str = ANY) -> Principal:
    """Return whose session a page is asked for in, who has to have `role`.

    Raises:
        UnauthenticatedError: nobody's; the answer is a redirect to the page of the log-in.
        ForbiddenError: theirs who have not the role.
        RecordingError: the ledger, which says so, cannot be read.
    """
    return await identified(request, page_authorization(request), role)


def page_authorization(request: Request) -> str | None:
    """Return what a page's session says who asks, in the form of an `Authorization` header; None in open mode.

    Raises:
        UnauthenticatedError: the session has ended.
    """
    value = session_of(request)
    return f"Bearer {token_of(value, now())}" if value is not None else None


def csrf_field(request: Request) -> tuple[str, str]:
    """Return name and value of the hidden field that each form of a page holds, another value each time.

    In open mode it belongs to no session, and tells alone whether a form is sent a second time.
    """
    value = session_of(request)
    return FORM_TOKEN, form_token(value) if value is not None else secrets.token_hex(16)


async def check_form(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a form that a page of this session sent; call it after `principal_of_page`.

    Raises:
        ForbiddenError: another page sent it.
        InputError: it is no form, or too large.
    """
    check_origin(request)
    fields = await fields_of(request)
    check_token(request, fields)
    return fields


def check_token(request: Request, fields: Mapping[str, list[str]]) -> None:
    """Refuse a form that was not served to this session.

    Raises:
        ForbiddenError: it was not.
    """
    value = session_of(request)
    if value is not None:
        check_form_token(value, next(iter(fields.get(FORM_TOKEN, ())), ""))


def check_origin(request: Request) -> None:
    """Refuse what no page of this server sent.

    Raises:
        ForbiddenError: with the code `cross-site`.
    """
    headers = request.headers
    check_same_origin(headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site"))


async def fields_of(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a form, each with its values in their order.

    A character may be sent as three; who looks at a field holds its text to the limit of a body.

    Raises:
        InputError: it is no form, or too large.
    """
    check_media_type(request, FORM)
    body = await body_of(request, _CODED * service_of(request).settings.limits.body_bytes)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InputError(Problem("form", "the body is no form of this server")) from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def log_in(request: Request, token: str) -> tuple[Principal, str]:
    """Return whom a token speaks for, and the value of the cookie of their session.

    Raises:
        UnauthenticatedError: it counts for nothing.
    """
    principal = await identified(request, f"Bearer {token}", ANY)
    return principal, session_value(token, now())


def set_session(request: Request, response: Response, value: str) -> None:
    """Let a response begin a session."""
    tls = service_of(request).settings.behind_tls
    response.set_cookie(
        cookie_name(tls),
        value,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=tls,
        httponly=True,
        samesite="strict",
    )


def end_session(request: Request, response: Response) -> None:
    """Let a response end the session in this browser; the token stays what it was."""
    tls = service_of(request).settings.behind_tls
    response.delete_cookie(cookie_name(tls), path="/", secure=tls, httponly=True, samesite="strict")
