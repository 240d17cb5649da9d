"""What handlers read of a request: who asks, and a body of bounded size in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from policy_engine.access.browsers import SAFE
from policy_engine.access.principal import ANY, ForbiddenError, UnauthenticatedError
from policy_engine.access.sessions import cookie_name, token_of
from policy_engine.api.field_values import parsed
from policy_engine.errors import InputError, Problem, UsageError
from policy_engine.service.errors import ConflictError
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal
    from policy_engine.service.service import Service

#: In a request's scope: its body came with its head.
WHOLE = "policy_engine.whole"
JSON = frozenset({"application/json"})
#: Refusals of a request that appended nothing, so that no guard has looked whether its token still counts.
UNRECORDED = (InputError, UsageError, ForbiddenError, ConflictError)
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})


def service_of(request: Request) -> Service:
    """Return the worker's service."""
    service: Service = request.app.state.service
    return service


def authorization_of(request: Request) -> str | None:
    """Return what says who asks: the header, or for what changes nothing the console's session (downloads by links).

    Raises:
        UnauthenticatedError: the session has ended, or another site's page asks.
    """
    header = request.headers.get("authorization")
    if header is not None or request.method not in SAFE:
        return header
    value = session_of(request)
    if value is None:
        return None
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise UnauthenticatedError(Problem("cross-site", "a page of another site asks for this"))
    return f"Bearer {token_of(value, now())}"


def session_of(request: Request) -> str | None:
    """Return the value of the request's session cookie; None where it has none, or several."""
    name = cookie_name(service_of(request).settings.behind_tls)
    pairs = [each.strip().partition("=") for each in ";".join(request.headers.getlist("cookie")).split(";")]
    found = [value for key, _, value in pairs if key == name]
    return found[0] if len(found) == 1 else None


async def principal_of(request: Request, role: str, *, exact: bool = True) -> Principal:
    """Return who asks, who has to have `role`; `exact` as `Service.principal` has it.

    Raises:
        UnauthenticatedError, ForbiddenError: they may not.
        RecordingError: the ledger, which says so, cannot be read.
    """
    return await identified(request, authorization_of(request), role, exact=exact)


async def identified(request: Request, authorization: str | None, role: str, *, exact: bool = True) -> Principal:
    """Return whom `authorization` speaks for, who has to have `role`, and keep them for what the request does.

    Raises:
        UnauthenticatedError, ForbiddenError: they may not.
        RecordingError: the ledger, which says so, cannot be read.
    """
    principal = await service_of(request).principal(authorization, exact=exact, address=address_of(request))
    principal.require(role)
    request.state.principal = principal
    return principal


async def identified_again(request: Request) -> None:
    """See that whoever asks is still known, by what is on record now: for an answer that no append has guarded.

    Raises:
        UnauthenticatedError: they are not.
        RecordingError: the ledger, which says so, cannot be read.
    """
    await service_of(request).identified(authorization_of(request), address=address_of(request))


def address_of(request: Request) -> str:
    """Return where a request comes from; empty where that is not known."""
    return request.client.host if request.client is not None else ""


async def principal_with(request: Request, *roles: str) -> Principal:
    """Return who asks, who has to have one of `roles`; the first one is named to whoever has none.

    Raises:
        as `principal_of`.
    """
    principal = await identified(request, authorization_of(request), ANY)
    if not principal.roles & set(roles):
        principal.require(roles[0])
    return principal


async def record_read(
    request: Request, query: str, count: int, parameters: Mapping[str, str | Sequence[str]] | None = None
) -> None:
    """Put on record that whoever was authenticated is shown `count` things; call it before the answer is returned.

    `query` is the name of the question, as the command line has it (`audit list`). `parameters` are what the request
    asks for, as far as it is not in the query string or the path; persons among them are known by their names.

    Raises:
        RecordingError: the ledger refused; nothing may be answered.
    """
    found: dict[str, str | Sequence[str]] = {name: request.query_params.getlist(name) for name in request.query_params}
    route = request.scope.get("route")
    where = f"{request.method} {getattr(route, 'path', '')}"
    everything = {**found, **{name: str(value) for name, value in request.path_params.items()}, **(parameters or {})}
    await service_of(request).record_read(request.state.principal, query, everything, count, where=where)


def media_type_of(request: Request) -> str:
    """Return the media type of a request's body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, allowed: frozenset[str]) -> None:
    """Refuse a body of another kind.

    Raises:
        InputError: with the code `media-type`.
    """
    given = media_type_of(request)
    if given not in allowed:
        message = f"the body is `{given[:80]}`" if given else "the request has no Content-Type"
        hint = f"send one of {', '.join(sorted(allowed))}"
        raise InputError(Problem("media-type", message, help=hint))
    whole = request.headers["content-type"]
    if ";" in whole:
        found = parsed(whole)
        if found is None or found[1].get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            hint = f"send the body in UTF-8, with `Content-Type: {given}`"
            raise InputError(Problem("media-type", f"the body is `{whole[:80]}`", help=hint))


async def body_of(request: Request, most: int | None = None) -> bytes:
    """Return the request's body, of at most as many bytes as are taken, or of `most`.

    Raises:
        InputError: it is larger than is taken, or came too slowly.
        UsageError: whoever sent it left.
    """
    limits = service_of(request).settings.limits
    most = limits.body_bytes if most is None else most
    too_large = Problem("body-too-large", f"the body is larger than {most // 1024:,} KiB")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise InputError(too_large)
    parts, size = [], 0
    try:
        async with nullcontext() if WHOLE in request.scope else asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise InputError(too_large)
                parts.append(part)
    except TimeoutError:
        message = f"the body did not come within {limits.body_seconds:g} seconds"
        raise InputError(Problem("request-timeout", message)) from None
    except ClientDisconnect:
        raise UsageError(Problem("client-gone", "the client left before its body was there")) from None
    return b"".join(parts)
