"""Forms that are not taken for what their text has nothing to do with: whoever typed it has it back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.principal import ForbiddenError, Principal, UnauthenticatedError
from policy_engine.access.sessions import FORM_TOKEN
from policy_engine.api.forms import check_origin, check_token, fields_of
from policy_engine.api.problems import RETRY_SECONDS, status_of, told_to
from policy_engine.console.filters import refusal
from policy_engine.console.forms import Field
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.console.words_for_people import for_people
from policy_engine.errors import PolicyError, RecordingError
from policy_engine.service.errors import BusyError

#: What a form is refused for whatever was typed into it.
NOT_ABOUT_TEXT = (UnauthenticatedError, RecordingError, BusyError)
Form = Mapping[str, list[str]]


async def received(request: Request, role: str) -> Form:
    """Return the fields of a form before it is asked who sent it; `answered` asks that then.

    Raises:
        ForbiddenError: a page of another server sent it.
        InputError: it is no form, or too large; whoever may not send it at all is told that first.
    """
    check_origin(request)
    try:
        return await fields_of(request)
    except PolicyError:
        await principal_of_page(request, role)
        raise


async def answered(
    request: Request,
    form: Form,
    role: str,
    work: Callable[[Principal], Awaitable[Response]],
    title: str,
    button: str,
    fields: Sequence[Field],
) -> Response:
    """Answer a form by `work` for whoever sent it from a page of theirs, who has to have `role`.

    Where its sender is not known any more, or the ledger is away, they are given back what was typed into `fields`.

    Raises:
        PolicyError: what it is refused for otherwise.
    """
    try:
        principal = await principal_of_page(request, role)
        check_token(request, form)
        return await work(principal)
    except PolicyError as error:
        return await _kept(request, error, title, button, fields)


async def _kept(request: Request, caught: PolicyError, title: str, button: str, fields: Sequence[Field]) -> Response:
    stale = isinstance(caught, ForbiddenError) and caught.code == "form-token"
    if not stale and not isinstance(caught, NOT_ABOUT_TEXT):
        raise caught
    error = told_to(request, caught)
    ended = isinstance(error, UnauthenticatedError)
    status = status_of(error)
    shown = "It was not sent from a page of this session. Send it once more." if stale else None
    answer = await page(
        request,
        "kept.html",
        title,
        status=status,
        ended=ended,
        refused=None if ended else shown or refusal(for_people(error.problems[0])),
        fields=fields,
        button=button,
    )
    if status in (429, 503):
        answer.headers["Retry-After"] = str(getattr(error, "seconds", RETRY_SECONDS))
    return answer


def form_key(form: Form, *texts: str) -> str | None:
    """Return what makes the same form, sent twice, one request: its nonce, with what was typed; None without one.

    With what was typed: whoever goes back, changes it and sends it again has asked for something else.
    """
    nonce = next(iter(form.get(FORM_TOKEN, ())), "")
    return sha256(json.dumps([nonce, *texts]).encode()).hexdigest() if nonce else None


def text_of(form: Form, name: str) -> str:
    """Return what a form has for a field, with the line ends of a file."""
    return next(iter(form.get(name, ())), "").replace("\r\n", "\n")
