"""Traces and metrics: the only place that imports opentelemetry, and only where the `OTEL_*` variables ask.

Spans: load, evaluate, combine, record. Metrics: `policy.decisions` by verdict, `policy.rules.fired` by rule,
`policy.decision.duration` in seconds. Without a request for them every call here does nothing and imports nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_TRACES = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_METRICS = ("OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_BOTH = "OTEL_EXPORTER_OTLP_ENDPOINT"
_FLUSH_MS = 5_000


class Span:
    """What a block of work says of itself; does nothing while telemetry is off."""

    def set(self, name: str, value: Callable[[], Any]) -> None:
        """Set the attribute `policy.<name>`; `value` is called only if somebody listens."""


class _RealSpan(Span):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def set(self, name: str, value: Callable[[], Any]) -> None:
        self._inner.set_attribute(f"policy.{name}", value())


class Telemetry:
    """Instruments on given providers; `Telemetry(None, None)` is off."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self._providers = [p for p in (tracer_provider, meter_provider) if p is not None]
        self._tracer = tracer_provider.get_tracer("policy_engine") if tracer_provider is not None else None
        self._decisions: Any = None
        if meter_provider is not None:
            meter = meter_provider.get_meter("policy_engine")
            self._decisions = meter.create_counter("policy.decisions", "{decision}", "Decisions by verdict")
            self._fired = meter.create_counter("policy.rules.fired", "{firing}", "Fired rules by rule")
            self._duration = meter.create_histogram("policy.decision.duration", "s", "Time from facts to record")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        if self._tracer is None:
            yield _SILENT
            return
        named = {f"policy.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(f"policy.{name}", attributes=named) as inner:
            yield _RealSpan(inner)

    def count(self, verdict: str, fired: Iterable[str], seconds: float) -> None:
        """Count one recorded decision, its fired rules, and how long it took."""
        if self._decisions is None:
            return
        self._decisions.add(1, {"policy.verdict": verdict})
        for rule in fired:
            self._fired.add(1, {"policy.rule": rule})
        self._duration.record(seconds, {"policy.verdict": verdict})

    @property
    def on(self) -> bool:
        return bool(self._providers)

    def shutdown(self) -> None:
        """Send what is waiting, within a bound: telemetry never keeps a decision back."""
        for provider in self._providers:
            provider.force_flush(_FLUSH_MS)
            provider.shutdown()


_SILENT = Span()
_current = Telemetry()


def use(telemetry: Telemetry) -> None:
    """Make `telemetry` the one that `span` and `count` report to."""
    global _current  # noqa: PLW0603 - one process has one telemetry, as OpenTelemetry's own globals
    _current = telemetry


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[Span]:
    """Report a block of work as the span `policy.<name>`."""
    with _current.span(name, attributes) as current:
        yield current


def count(verdict: str, fired: Iterable[str], started: float) -> None:
    """Count one decision; `started` is a reading of `time.perf_counter`."""
    _current.count(verdict, fired, time.perf_counter() - started)


def listening() -> bool:
    """Whether anybody asked for telemetry."""
    return _current.on


def shutdown() -> None:
    """Flush and end telemetry at the end of a run."""
    _current.shutdown()
    use(Telemetry())


def configure_from_environment(environment: Mapping[str, str] | None = None) -> None:
    """Turn telemetry on where the standard variables ask for it."""
    env = os.environ if environment is None else environment
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    traces, metrics = _asked(env, *_TRACES), _asked(env, *_METRICS)
    if traces or metrics:
        use(Telemetry(_tracer_provider(traces) if traces else None, _meter_provider(metrics) if metrics else None))


def _asked(env: Mapping[str, str], exporter: str, endpoint: str) -> str | None:
    """Return the exporter that is asked for; an endpoint alone asks for OTLP."""
    named = env.get(exporter, "").strip().lower()
    if named == "none":
        return None
    return named or ("otlp" if env.get(endpoint) or env.get(_BOTH) else None)


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    from policy_engine import __version__

    return Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "policy-engine"), "service.version": __version__})


def _tracer_provider(exporter: str) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    provider = TracerProvider(resource=_resource())
    if exporter == "console":
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
        return provider
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        _no_exporter(exporter)
        return None
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _meter_provider(exporter: str) -> Any:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader

    if exporter == "console":
        reader = PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr))
        return MeterProvider([reader], resource=_resource())
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError:
        _no_exporter(exporter)
        return None
    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=_resource())


def _no_exporter(exporter: str) -> None:
    _warn(f"no telemetry: the exporter `{exporter}` needs `pip install policy-engine[otlp]`")
