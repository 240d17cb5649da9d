"""A served engine in processes, watched from outside: traces over OTLP, counts of all workers, its log."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.test_otlp import Collector, collector
from tests.serving import WORKLOAD, Server, free_port, serving_process

__all__ = ["collector"]
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all servers, so that one of them alone parses the rules."""
    return tmp_path_factory.mktemp("observed")


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def counted(server: Server, token: str) -> dict[str, float]:
    answer = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.status_code == 200, answer.text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            found[each.name] = found.get(each.name, 0) + each.value
    return found


@pytest.mark.slow
def test_counts_of_all_workers_never_go_back_though_one_is_killed(home: Path, ledger: str) -> None:
    with serving_process(ledger, "--workers", "2", home=home) as (server, process):
        token = server.token("decide", "read")

        def ask(_: int) -> int:
            with server.client(token) as client:  # a connection for each, so that both workers get some
                return client.post("/v1/decisions", json=WORKLOAD).status_code

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(20))) == [200] * 20
        _until(lambda: counted(server, token)["policy_decisions_total"] == 20)
        seen = counted(server, token)
        assert seen["policy_workers"] == 2
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                now = counted(server, token)
            except httpx.HTTPError:
                continue
            for name, value in seen.items():
                assert not name.endswith(("_total", "_count")) or now[name] >= value, name
            if now["policy_workers"] == 2 and ask(0) == 200:
                break
            seen = now
        _until(lambda: counted(server, token)["policy_decisions_total"] == 21)
        process.terminate()
        assert process.wait(40) == 0
        assert process.stderr is not None
        lines = process.stderr.read().decode().splitlines()
    events = [json.loads(line) for line in lines]
    requests = [each for each in events if each["event"] == "request" and each["route"] == "/v1/decisions"]
    # whoever was killed had at most the last moment's lines not written
    assert len(requests) + 5 >= 20
    assert {"time", "level", "event", "method", "route", "status", "ms", "verdict", "entry"} <= set(requests[0])
    assert not re.search('alice|acme|pe_|127.0.0.1:[0-9]+[^"]', "\n".join(lines).replace(server.url[7:] + '"', ""))


@pytest.mark.slow
def test_a_request_arrives_at_a_collector_as_one_trace(
    home: Path, ledger: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    with serving_process(ledger, home=home) as (server, process):
        with server.client() as client:
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            answer = client.post("/v1/decisions", json=WORKLOAD, headers=headers)
            assert answer.status_code == 200
            shown = client.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
        process.terminate()
        assert process.wait(40) == 0
    assert f'trace_id="{TRACE}"' in shown
    spans = [
        span
        for request in collector.requests("/v1/traces", ExportTraceServiceRequest)
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
        if span.trace_id.hex() == TRACE
    ]
    assert {span.name for span in spans} == {
        "POST /v1/decisions", "policy.authenticate", "policy.evaluate", "policy.combine", "policy.record",
        "policy.commit",
    }  # fmt: skip
    metrics = collector.requests("/v1/metrics", ExportMetricsServiceRequest)[-1].resource_metrics[0]
    names = {metric.name for scope in metrics.scope_metrics for metric in scope.metrics}
    assert names == {"policy.decisions", "policy.rules.fired", "policy.decision.duration"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
def test_a_standard_error_that_takes_nothing_stops_no_service(home: Path, ledger: str, how: str) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = f'exec "$0" -m policy_engine serve --listen 127.0.0.1:{port} --ledger {ledger} {how}'
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    process = subprocess.Popen(["sh", "-c", command, sys.executable], env=env)
    try:
        _until(lambda: _answers(f"{url}/readyz"))
        for _ in range(3):
            assert httpx.post(f"{url}/v1/decisions", json=WORKLOAD, timeout=10).status_code == 200
    finally:
        process.terminate()
        assert process.wait(40) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
