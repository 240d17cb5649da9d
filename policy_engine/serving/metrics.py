"""Metrics for Prometheus: the one place that uses its client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from policy_engine.service.meter import Counts, Distribution
from policy_engine.service.metrics import METRICS, Metric


def exposition(counts: Counts, accept: str) -> tuple[bytes, str]:
    """Return the counts as text and its media type: OpenMetrics where it is accepted, which has exemplars."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counted(counts))
    # the version of the format is ours to say: whatever a header asks for, it is one of the two
    if any(each.partition(";")[0].strip() == "application/openmetrics-text" for each in accept.lower().split(",")):
        text: bytes = open_metrics(registry)  # type: ignore[no-untyped-call]
        return text, OPEN_METRICS
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Counted(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Family]:
        for metric in METRICS:
            yield _family(metric, self._counts)


def _family(metric: Metric, counts: Counts) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
        for labels, each in sorted(counts.histograms.get(metric.name, {}).items()):
            histogram.add_metric(labels, _buckets(metric, each), each.sum)
        return histogram
    kinds: dict[str, Any] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
    family = kinds[metric.kind](metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    series = (counts.counters if metric.kind == "counter" else counts.gauges).get(metric.name, {})
    # a counter without labels that is not there yet is 0: its first increase would be seen by nobody otherwise
    for labels, value in sorted(series.items()) or ([((), 0.0)] if not metric.labels else []):
        family.add_metric(labels, value)
    made: Family = family
    return made


def _buckets(metric: Metric, found: Distribution) -> list[Any]:
    return list(_cumulated(metric, found))


def _cumulated(metric: Metric, found: Distribution) -> Iterator[Any]:
    total = 0
    for place, bound in enumerate((*metric.buckets, float("inf"))):
        total += found.counts[place]
        exemplar = found.exemplars.get(place)
        shown = Exemplar({"trace_id": exemplar.trace}, exemplar.value, exemplar.at) if exemplar is not None else None
        yield ("+Inf" if bound == float("inf") else repr(float(bound)), total, shown)
