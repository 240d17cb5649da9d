"""What each request goes through before any route, and each answer after it: limits, ids, and headers."""

from __future__ import annotations

import logging
import re
from collections import Counter
from random import getrandbits
from typing import TYPE_CHECKING

from starlette.responses import Response

from policy_engine.access.browsers import is_cross_site, is_loopback_host
from policy_engine.access.principal import ForbiddenError
from policy_engine.api.problems import problem_response
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.service.errors import BusyError
from policy_engine.serving.headers import refusal, security_headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from policy_engine.service.service import Service

_LOG = logging.getLogger("policy_engine.serving")
#: What is taken of an id from outside: hexadecimal digits, in the form of a UUID or not.
_REQUEST_ID = re.compile(rb"[0-9a-fA-F]{16,64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: Of these a request has one at most: two would be read as one here, and as another in front of here.
_ONCE = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"content-type", b"host", b"idempotency-key", b"origin"}
    | {b"sec-fetch-site", b"transfer-encoding"}
)
#: What a proxy adds: whoever asked it may be anywhere.
_OF_PROXIES = frozenset({b"forwarded", b"via", b"x-real-ip"})
_HOST = re.compile(rb"[A-Za-z0-9._~-]+(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")
#: Whether these answer is asked by what is in front, by whatever name it knows this server.
_PROBES = frozenset({"/healthz", "/readyz"})


class Front:
    """The application, behind all of this."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._limits = service.settings.limits
        self._may_be_open = service.settings.may_be_open
        self._headers = security_headers(service.settings.behind_tls)
        self._names = frozenset(name for name, _ in self._headers)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything else goes on to the application as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%032x" % getrandbits(128)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = self._completed(message.get("headers", []), request_id)
            await send(message)

        self._under_way += 1
        try:
            refused = self._refused(scope, headers)
            if refused is None and self._may_be_open and b"authorization" not in headers:
                refused = await self._refused_browser(scope, headers)
            await (self._app if refused is None else problem_response(refused))(scope, receive, answer)
        except Exception:
            # not expected for any input; what it was goes into the log, and not to whoever asked
            _LOG.exception("request %s failed", request_id.decode())
            if begun:
                raise
            body = refusal(500, "Internal Server Error", "internal", "something went wrong here")
            await Response(body, 500, media_type="application/problem+json")(scope, receive, answer)
        finally:
            self._under_way -= 1

    def _completed(self, headers: list[tuple[bytes, bytes]], request_id: bytes) -> list[tuple[bytes, bytes]]:
        said = [name for name, _ in headers]
        own = self._headers
        if not self._names.isdisjoint(said):
            own = [each for each in own if each[0] not in said]
        # AuthZEN's routes answer with whatever identifier the client gave
        named = [] if b"x-request-id" in said else [(b"x-request-id", request_id)]
        return [*headers, *own, *named]

    def _refused(self, scope: Scope, headers: dict[bytes, bytes]) -> PolicyError | None:
        """Return why a request is refused whoever sent it; None where it is not."""
        if self._under_way > self._limits.requests and scope["path"] not in _PROBES:
            return BusyError(Problem("busy", "too many requests are under way", help="come back in a second"))
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._limits.url_bytes:
            return InputError(Problem("url-too-long", f"the URL has more than {self._limits.url_bytes:,} bytes"))
        given = scope["headers"]
        if len(given) > self._limits.headers:
            message = f"the request has more than {self._limits.headers} headers"
            return InputError(Problem("headers-too-large", message))
        if len(headers) < len(given):
            twice = [name for name, count in Counter(name for name, _ in given).items() if count > 1 and name in _ONCE]
            if twice:
                return UsageError(Problem("header-twice", f"the header `{twice[0].decode()}` stands there twice"))
        host = headers.get(b"host", b"")
        if (host or scope["http_version"] != "1.0") and not _HOST.fullmatch(host):
            return UsageError(Problem("host", "the request has no `Host`, or one that is none"))
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            return UsageError(Problem("transfer-encoding", "the body comes in another coding than `chunked`"))
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            hint = "send the body as it is"
            return InputError(Problem("content-encoding", "the body is compressed, which is not taken", help=hint))
        return None

    async def _refused_browser(self, scope: Scope, headers: dict[bytes, bytes]) -> PolicyError | None:
        """Return why a request without a token is refused in open mode: it may come from elsewhere."""
        host, origin, site = (_text(headers.get(name)) for name in (b"host", b"origin", b"sec-fetch-site"))
        foreign = not is_loopback_host(host or "") and scope["path"] not in _PROBES
        navigates = scope["method"] in ("GET", "HEAD") and headers.get(b"sec-fetch-mode") == b"navigate"
        crossing = is_cross_site(host or "", origin, site) and not navigates
        proxied = scope["path"] not in _PROBES and any(
            name in _OF_PROXIES or name.startswith(b"x-forwarded-") for name in headers
        )
        if not (foreign or crossing or proxied) or not await self._service.is_open():
            return None
        if foreign:
            hint = "use http://localhost or http://127.0.0.1, or make a token with `policy token create`"
            return ForbiddenError(
                Problem("foreign-host", "without tokens only this machine's own names count", help=hint)
            )
        if proxied:
            hint = "make a token with `policy token create`; without any, who comes through a proxy is not this machine"
            return ForbiddenError(Problem("proxied", "without tokens nobody is let in through a proxy", help=hint))
        return ForbiddenError(Problem("cross-site", "a page of another site asks for this"))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
