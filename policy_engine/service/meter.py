"""The counts of one process: cheap to add to from any thread, and taken whole as a value that can be written down.

`prometheus_client` has counters of its own, and its way of many processes has no exemplars and grows with every
process that ever was. So counts are kept here, and it is asked for their exposition alone (`serving.metrics`).
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from policy_engine.service.metrics import BY_NAME, METRICS, MOST_SERIES, Metric

Labels = tuple[str, ...]


class Exemplar(Struct, frozen=True, array_like=True):
    """A trace in which a value was seen, in Unix time."""

    trace: str
    value: float
    at: float


class Distribution(Struct, array_like=True):
    """A histogram's series: observations in each bucket (the last is all beyond), their sum, the last exemplars."""

    counts: list[int]
    sum: float = 0.0
    exemplars: dict[int, Exemplar] = {}


class Counts(Struct):
    """What one process counted: by metric and labels."""

    counters: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, Distribution]] = {}
    gauges: dict[str, dict[Labels, float]] = {}


class Meter:
    """Counts; what it is given is trusted to be one of `METRICS` with as many label values as that has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[Labels, float]] = {m.name: {} for m in METRICS if m.kind == "counter"}
        self._histograms: dict[str, dict[Labels, Distribution]] = {m.name: {} for m in METRICS if m.kind == "histogram"}
        self._gauges: dict[str, Callable[[], Mapping[Labels, float]]] = {}
        self._firings: dict[frozenset[str], int] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        series = self._counters[metric.name]
        with self._lock:
            if labels not in series and len(series) >= MOST_SERIES:
                labels = ("other",) * len(labels)
            series[labels] = series.get(labels, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str, trace: str | None = None) -> None:
        """Add an observation to a histogram, with the trace that it was made in where that is sent."""
        series = self._histograms[metric.name]
        place = bisect_left(metric.buckets, value)
        with self._lock:
            found = series.get(labels)
            if found is None:
                if len(series) >= MOST_SERIES:
                    labels = ("other",) * len(labels)
                found = series.setdefault(labels, Distribution([0] * (len(metric.buckets) + 1)))
            found.counts[place] += 1
            found.sum += value
            if trace is not None:
                found.exemplars[place] = Exemplar(trace, value, time.time())

    def fired(self, rules: Iterable[frozenset[str]]) -> None:
        """Count the rules that fired in decisions; the same set again and again costs one addition."""
        with self._lock:
            for each in rules:
                self._firings[each] = self._firings.get(each, 0) + 1

    def gauge(self, metric: Metric, value: Callable[[], float | Mapping[Labels, float]]) -> None:
        """Have a gauge's value, or values by labels, asked for when they are wanted."""
        assert metric.kind == "gauge"  # noqa: S101 - a metric's kind is written down once

        def ask() -> Mapping[Labels, float]:
            found = value()
            return found if isinstance(found, Mapping) else {(): float(found)}

        self._gauges[metric.name] = ask

    def take(self) -> Counts:
        """Return all counts as they are now."""
        from policy_engine.service.metrics import RULES_FIRED

        with self._lock:
            firings, self._firings = self._firings, {}
        for rules, times in firings.items():
            for rule in rules:
                self.count(RULES_FIRED, rule, by=times)
        with self._lock:
            counters = {name: dict(series) for name, series in self._counters.items() if series}
            histograms = {
                name: {key: Distribution(list(d.counts), d.sum, dict(d.exemplars)) for key, d in series.items()}
                for name, series in self._histograms.items()
                if series
            }
        return Counts(counters, histograms, {name: dict(ask()) for name, ask in self._gauges.items()})

    def go_on_from(self, earlier: Counts) -> None:
        """Count on from what another process counted in this one's place, so that no counter goes back."""
        with self._lock:
            for name, series in earlier.counters.items():
                for labels, value in series.items() if name in self._counters else ():
                    self._counters[name][labels] = self._counters[name].get(labels, 0) + value
            for name, found in earlier.histograms.items():
                for labels, each in found.items() if name in self._histograms else ():
                    self._add(name, labels, each)

    def _add(self, name: str, labels: Labels, earlier: Distribution) -> None:
        own = self._histograms[name].setdefault(labels, Distribution([0] * (len(BY_NAME[name].buckets) + 1)))
        if len(own.counts) == len(earlier.counts):
            merge(own, earlier)


def merge(into: Distribution, other: Distribution) -> None:
    """Add another process's observations of the same series; of exemplars the later one stays."""
    into.counts = [a + b for a, b in zip(into.counts, other.counts, strict=True)]
    into.sum += other.sum
    for place, exemplar in other.exemplars.items():
        if place not in into.exemplars or into.exemplars[place].at <= exemplar.at:
            into.exemplars[place] = exemplar


def merged(all_of_them: Iterable[tuple[Counts, bool]]) -> Counts:
    """Return the counts of several processes as one; the gauges of those alone that are there."""
    found = Counts({}, {}, {})
    for counts, alive in all_of_them:
        for name, series in counts.counters.items():
            own = found.counters.setdefault(name, {})
            for labels, value in series.items():
                own[labels] = own.get(labels, 0) + value
        for name, distributions in counts.histograms.items():
            into = found.histograms.setdefault(name, {})
            for labels, each in distributions.items():
                merge(into.setdefault(labels, Distribution([0] * len(each.counts))), each)
        for name, values in counts.gauges.items() if alive else ():
            _gather(BY_NAME[name], found.gauges.setdefault(name, {}), values)
    return found


def _gather(metric: Metric, into: dict[Any, float], values: Mapping[Any, float]) -> None:
    for labels, value in values.items():
        known = into.get(labels)
        if known is None:
            into[labels] = value
        else:
            into[labels] = {"sum": known + value, "max": max(known, value), "min": min(known, value)}[metric.across]
