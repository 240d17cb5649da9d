"""Metrics for Prometheus: the one place that uses its client."""

from __future__ import annotations

import prometheus_client

REGISTRY = prometheus_client.CollectorRegistry()
