"""The trace of a served request, from its header to the commit, across the threads that work on it.

A commit that several requests share stands in the trace of the first, and the records of the others link to it.
INVARIANT: a trace id that came from outside names a trace and nothing else: no right, no key, no place in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from policy_engine import telemetry

T = TypeVar("T")
_HEX = frozenset("0123456789abcdef")


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id of a W3C `traceparent` of version 00, or of a later one; None of what is malformed."""
    parts = (traceparent or "").split("-")
    if len(parts) < 4 or [len(each) for each in parts[:4]] != [2, 32, 16, 2] or not set("".join(parts[:4])) <= _HEX:
        return None
    version, trace, parent, _ = parts[:4]
    if version == "ff" or (version == "00" and len(parts) > 4) or not trace.strip("0") or not parent.strip("0"):
        return None
    return trace


class RequestSpan:
    """The span of a request; while it is open, spans of the same task and of what it hands on are its children."""

    def __init__(self, tracer: Any, method: str, headers: Mapping[str, str]) -> None:
        from opentelemetry import context
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # a caller says its trace, no baggage and no state: what these hold would go on to whoever collects traces
        own = {name: value for name, value in headers.items() if name == "traceparent"}
        parent = TraceContextTextMapPropagator().extract(own)
        attributes = {"http.request.method": method}
        self._span = tracer.start_span(method, parent, SpanKind.SERVER, attributes, record_exception=False)
        self._token = context.attach(context.set_value(telemetry.SERVED, True, set_span_in_context(self._span, parent)))
        found = self._span.get_span_context()
        self.trace_id = f"{found.trace_id:032x}"
        #: Whether the trace is sent: then metrics may name it as their example.
        self.sampled = bool(found.trace_flags.sampled)

    def end(self, method: str, route: str, status: int, error: str | None, attributes: Mapping[str, Any]) -> None:
        """End it. `error`: the code or type of what went wrong, never its text."""
        from opentelemetry import context
        from opentelemetry.trace import Status, StatusCode

        self._span.update_name(f"{method} {route}")
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        for name, value in attributes.items():
            self._span.set_attribute(f"policy.{name}", value)
        if error is not None:
            self._span.set_attribute("error.type", error)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        context.detach(self._token)


def request_span(method: str, headers: Callable[[], Mapping[str, str]]) -> RequestSpan | None:
    """Begin the span of a request; None where no traces are sent, and `headers` is not called."""
    tracer = telemetry.tracer()
    return None if tracer is None else RequestSpan(tracer, method, headers())


def carried(function: Callable[..., T]) -> Callable[..., T]:
    """Return `function` for another thread, where its spans are children of the one that is open here."""
    return function if telemetry.tracer() is None else partial(copy_context().run, function)


def here() -> Any:
    """Return the place in a trace, to be given to `shared_span` in another thread; None where no traces are sent."""
    if telemetry.tracer() is None:
        return None
    from opentelemetry import context

    return context.get_current()


@contextmanager
def shared_span(name: str, places: Sequence[Any], **attributes: Any) -> Iterator[telemetry.Span]:
    """Report work that is done for several requests at once: a child of the first of `places`, linked to the others."""
    given = [place for place in places if place is not None]
    if not given or telemetry.tracer() is None:
        yield telemetry.Span()
        return
    from opentelemetry import context, trace

    token = context.attach(given[0])
    try:
        with telemetry.span(name, **attributes) as span:
            own = trace.get_current_span()
            for place in given[1:]:
                waiting = trace.get_current_span(place)
                own.add_link(waiting.get_span_context())
                waiting.add_link(own.get_span_context())
            yield span
    finally:
        context.detach(token)
