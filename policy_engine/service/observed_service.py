"""What of a service is measured: how long evaluation takes, what waits, which policy is in force."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from policy_engine import SEMANTICS_VERSION, __version__
from policy_engine.service import metrics
from policy_engine.service.meter import Labels, Meter
from policy_engine.service.observing import current

if TYPE_CHECKING:
    from policy_engine.service.service import Service

T = TypeVar("T")


def measured(meter: Meter, evaluate: Callable[..., T]) -> Callable[..., T]:
    """Return `evaluate` for another thread, with its time measured."""
    noted = current()
    trace = noted.exemplar if noted is not None else None

    def run(*arguments: object) -> T:
        started = time.perf_counter()
        try:
            return evaluate(*arguments)
        finally:
            meter.observe(metrics.EVALUATION_SECONDS, time.perf_counter() - started, trace=trace)

    return run


def watch(service: Service) -> None:
    """Have the meter of a service ask it for its gauges."""
    meter = service.meter
    build: dict[Labels, float] = {(__version__, str(SEMANTICS_VERSION), platform.python_version()): 1}
    meter.gauge(metrics.WORKERS, lambda: 1)
    meter.gauge(metrics.BUILD_INFO, lambda: build)
    meter.gauge(metrics.READY, lambda: service.readiness.ready)
    meter.gauge(metrics.LEDGER_ENTRIES, lambda: service.committer.tree_size)
    meter.gauge(metrics.QUEUE, lambda: _queues(service))
    meter.gauge(metrics.POLICY_INFO, lambda: _policy(service))
    meter.gauge(metrics.RELOAD_FAILED, lambda: service.rules.failed is not None)
    service.rules.reloaded = lambda result: meter.count(metrics.RELOADS, result)


def _queues(service: Service) -> dict[Labels, float]:
    return {
        ("commit",): service.committer.waiting,
        ("evaluation",): service.decisions.evaluating,
        ("reading",): service.reading,
    }


def _policy(service: Service) -> dict[Labels, float]:
    policy = service.rules.known_policy
    return {} if policy is None else {(policy.digest, str(policy.rules.version)): 1}
