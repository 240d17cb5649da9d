"""Telemetry over OTLP/HTTP: a real process, and a real receiver on this host."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "writing-assistant.yaml"
DENIED = ROOT / "examples" / "leaking-fallback.yaml"
#: What a run may take beside its own work: the wait for a collector is bounded.
PATIENCE_S = 20.0


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, and answers as it is told: with a status, or never."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self, path: str, kind: Any) -> list[Any]:
        return [kind.FromString(body) for where, body in self.received if where == path]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        self.server.answers.wait(60)
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.answers.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the ledger and the cache of all runs."""
    return tmp_path_factory.mktemp("otlp")


@pytest.fixture(scope="module")
def plain(shared: Path) -> subprocess.CompletedProcess[str]:
    """A run without telemetry."""
    evaluate(shared, EXAMPLE)  # makes the ledger, and says so
    return evaluate(shared, EXAMPLE)


def run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `policy` in a process of its own, with nothing of this environment but these variables."""
    folders = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "POLICY_CACHE_DIR")}
    return subprocess.run(
        [sys.executable, "-m", "policy_engine", *arguments],
        env={"PATH": os.environ["PATH"], **folders, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def evaluate(tmp_path: Path, *files: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(tmp_path, "evaluate", *map(str, files), "--ledger", f"sqlite:///{tmp_path}/l.db", "-q", **variables)


@pytest.mark.usefixtures("plain")
def test_spans_and_metrics_arrive(shared: Path, collector: Collector) -> None:
    done = evaluate(
        shared,
        EXAMPLE,
        DENIED,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_SERVICE_NAME="policy-test",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=ci",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    spans, resource = _spans(collector)
    assert {"policy.run", "policy.load", "policy.evaluate", "policy.combine", "policy.record"} == set(spans)
    assert resource["service.name"] == "policy-test"
    assert resource["deployment.environment"] == "ci"
    (run_span,) = spans["policy.run"]
    assert len(spans["policy.evaluate"]) == 2
    assert {span.trace_id for each in spans.values() for span in each} == {run_span.trace_id}
    (record,) = spans["policy.record"]
    assert record.parent_span_id == run_span.span_id
    assert {_attributes(span)["policy.verdict"] for span in spans["policy.combine"]} == {"allow", "deny"}
    assert all(
        "real-time-work-excludes-batch" in _attributes(span)["policy.fired"] for span in spans["policy.evaluate"]
    )
    metrics = _metrics(collector)
    assert set(metrics) == {"policy.decisions", "policy.rules.fired", "policy.decision.duration"}
    counted = {_attributes(p)["policy.verdict"]: p.as_int for p in metrics["policy.decisions"].sum.data_points}
    assert counted == {"allow": 1, "deny": 1}
    durations = metrics["policy.decision.duration"].histogram.data_points
    assert sum(point.count for point in durations) == 2


def test_off_is_off(shared: Path, collector: Collector) -> None:
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SDK_DISABLED": "true"}
    assert evaluate(shared, EXAMPLE, **disabled).returncode == 0
    assert collector.received == []


def test_one_signal_alone(shared: Path, collector: Collector) -> None:
    endpoint = f"{collector.endpoint}/v1/metrics"
    assert evaluate(shared, EXAMPLE, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=endpoint).returncode == 0
    assert {path for path, _ in collector.received} == {"/v1/metrics"}


def test_an_error_is_reported_too(shared: Path, collector: Collector) -> None:
    missing = ("evaluate", str(EXAMPLE), "--policy", str(shared / "none"))
    done = run(shared, *missing, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert done.returncode == 3
    spans, _ = _spans(collector)
    assert set(spans) == {"policy.run", "policy.load"}
    assert all(span.status.code == 2 for each in spans.values() for span in each)


def _refusing() -> str:
    """Return the endpoint of a port where nobody listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_an_unreachable_collector_changes_nothing(shared: Path, plain: subprocess.CompletedProcess[str]) -> None:
    started = time.monotonic()
    done = evaluate(shared, EXAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=_refusing())
    assert time.monotonic() - started < PATIENCE_S
    _same_but_for_a_warning(plain, done)


def test_a_collector_that_hangs_changes_nothing(
    shared: Path, plain: subprocess.CompletedProcess[str], collector: Collector
) -> None:
    collector.answers.clear()
    started = time.monotonic()
    done = evaluate(shared, EXAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert time.monotonic() - started < PATIENCE_S
    _same_but_for_a_warning(plain, done)


def test_a_collector_that_refuses_changes_nothing(
    shared: Path, plain: subprocess.CompletedProcess[str], collector: Collector
) -> None:
    collector.status = 401
    _same_but_for_a_warning(plain, evaluate(shared, EXAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint))


def _same_but_for_a_warning(plain: subprocess.CompletedProcess[str], done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == plain.returncode == 0
    assert done.stdout == plain.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: telemetry is incomplete: ")
    assert "Traceback" not in done.stderr


def _spans(collector: Collector) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    found: dict[str, list[Any]] = {}
    resource: dict[str, Any] = {}
    for request in collector.requests("/v1/traces", ExportTraceServiceRequest):
        for each in request.resource_spans:
            resource = _attributes(each.resource)
            for span in (span for scope in each.scope_spans for span in scope.spans):
                found.setdefault(span.name, []).append(span)
    return found, resource


def _metrics(collector: Collector) -> dict[str, Any]:
    requests = collector.requests("/v1/metrics", ExportMetricsServiceRequest)
    each = requests[-1].resource_metrics[0]
    return {metric.name: metric for scope in each.scope_metrics for metric in scope.metrics}


def _attributes(holder: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in holder.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
