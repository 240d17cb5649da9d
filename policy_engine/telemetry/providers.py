"""The providers that send: where to, in which form, and as what service; told by the standard variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

#: A decision takes a fraction of a millisecond, a recorded one some milliseconds.
_DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _resource(env: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.resources import Resource

    from policy_engine import __version__

    attributes = {"service.version": __version__}
    named = env.get("OTEL_SERVICE_NAME") or "service.name=" in env.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named:
        attributes["service.name"] = "policy-engine"
    return Resource.create(attributes)


def tracer_provider(exporters: Sequence[str], env: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    provider = TracerProvider(resource=_resource(env), shutdown_on_exit=False)
    for name in exporters:
        if name == "console":
            exporter: Any = ConsoleSpanExporter(out=sys.stderr)
        else:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def meter_provider(exporters: Sequence[str], env: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader

    readers = []
    for name in exporters:
        if name == "console":
            exporter: Any = ConsoleMetricExporter(out=sys.stderr)
        else:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            exporter = OTLPMetricExporter()
        readers.append(PeriodicExportingMetricReader(exporter))
    return MeterProvider(readers, resource=_resource(env), shutdown_on_exit=False, views=views())


def views() -> list[Any]:
    """Return the views that give durations buckets of their size."""
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    buckets = ExplicitBucketHistogramAggregation(boundaries=_DURATION_BUCKETS)
    return [View(instrument_name="policy.decision.duration", aggregation=buckets)]
