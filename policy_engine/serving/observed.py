"""Around the application: every request is counted, traced where somebody asks, and written into the log once.

It is outermost, so that what it says of an answer is what was sent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from policy_engine.service import metrics
from policy_engine.service.observing import Noted, begin, note_refusal
from policy_engine.telemetry.requests import request_span, trace_id_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from policy_engine.service.meter import Meter
    from policy_engine.serving.logs import Log
    from policy_engine.telemetry.requests import RequestSpan

#: Asked for every few seconds by machines: written into the log where they fail.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
#: No path as it came, for that may be anybody's text.
UNMATCHED = "unmatched"
#: What is answered where whoever asked left before there was an answer.
_LEFT = 499
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Observed:
    """The application, observed."""

    def __init__(self, app: ASGIApp, meter: Meter, log: Log | None = None) -> None:
        self.app, self._meter, self._log = app, meter, log
        self.in_progress = 0
        meter.gauge(metrics.IN_PROGRESS, lambda: self.in_progress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note what was answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        noted = Noted(scope["method"] if scope["method"] in _METHODS else "other")
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = request_span(noted.method, lambda: _headers(scope))
        if span is None:
            noted.trace_id = trace_id_of(_headers(scope).get("traceparent"))
        else:
            noted.trace_id, noted.exemplar = span.trace_id, span.trace_id if span.sampled else None
        begin(noted)
        self.in_progress += 1
        error: str | None = None
        try:
            await self.app(scope, receive, sending)
        except BaseException as caught:
            error = type(caught).__name__
            raise
        finally:
            self.in_progress -= 1
            self._done(scope, noted, status or (500 if error is not None else _LEFT), span, error)

    def _done(self, scope: Scope, noted: Noted, status: int, span: RequestSpan | None, error: str | None) -> None:
        seconds = time.perf_counter() - noted.started
        route = noted.route or _route(scope)
        code = noted.code or error
        meter = self._meter
        meter.count(metrics.REQUESTS, route, noted.method, str(status))
        meter.observe(metrics.REQUEST_SECONDS, seconds, route, noted.method, trace=noted.exemplar)
        note_refusal(meter, status, noted.code)
        if span is not None:
            span.end(noted.method, route, status, code if status >= 400 else None, noted.said())
        if self._log is not None:
            level = _level(status, route)
            if self._log.takes(level):
                fields = self._fields(scope, noted, route, status, seconds, code)
                self._log.write(level, "request", time.time(), fields, now=False)

    @staticmethod
    def _fields(
        scope: Scope, noted: Noted, route: str, status: int, seconds: float, code: str | None
    ) -> dict[str, Any]:
        return {
            "request_id": noted.request_id or scope.get("state", {}).get("request_id"),
            "trace_id": noted.trace_id,
            "method": noted.method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            **noted.said(),
            "code": code,
        }


def _level(status: int, route: str) -> str:
    if status >= 500:
        return "warning" if status == 503 else "error"
    return "debug" if route in _QUIET and status < 400 else "info"


def _route(scope: Scope) -> str:
    found: Any = getattr(scope.get("route"), "path", None)
    return found if isinstance(found, str) else UNMATCHED


def _headers(scope: Scope) -> dict[str, str]:
    """Return the header that says a trace; where it comes twice it is malformed, and there is none."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"traceparent":
            key = name.decode()
            found[key] = f"{found[key]},{value.decode('latin-1')}" if key in found else value.decode("latin-1")
    return found
