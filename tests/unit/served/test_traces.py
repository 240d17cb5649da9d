"""One trace from a request to its commit, across the service's threads, with nothing of persons in it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policy_engine import telemetry
from policy_engine.telemetry.requests import carried, here, request_span, shared_span, trace_id_of
from tests.serving import WORKLOAD, Server, serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"
#: What spans within a request say: of the workload no name.
ATTRIBUTES = {
    "policy.authenticate": set(),
    "policy.evaluate": {"policy.fired"},
    "policy.combine": {"policy.verdict"},
    "policy.record": {"policy.decisions", "policy.entry"},
    "policy.commit": {"policy.groups"},
}


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    telemetry.use(telemetry.Telemetry(provider))
    yield found
    telemetry.use(telemetry.Telemetry())


@pytest.fixture
def server(exporter: InMemorySpanExporter, tmp_path: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}") as running:
        yield running


def spans(exporter: InMemorySpanExporter, trace: str) -> dict[str, ReadableSpan]:
    found = [span for span in exporter.get_finished_spans() if f"{span.context.trace_id:032x}" == trace]
    assert len({span.name for span in found}) == len(found)
    return {span.name: span for span in found}


def parents(found: dict[str, ReadableSpan]) -> dict[str, str | None]:
    names = {span.context.span_id: name for name, span in found.items()}
    return {name: names.get(span.parent.span_id) if span.parent else None for name, span in found.items()}


def test_a_request_is_one_trace_to_its_commit(server: Server, exporter: InMemorySpanExporter) -> None:
    token = server.token("decide", subject="alice.secret@acme.example")
    with server.client(token) as client:
        headers = {"traceparent": GIVEN, "tracestate": "vendor=of-the-caller"}
        answer = client.post("/v1/decisions?run=17", json=WORKLOAD, headers=headers)
    assert answer.status_code == 200
    found = spans(exporter, TRACE)
    request = "POST /v1/decisions"
    assert parents(found) == {
        request: None,
        "policy.authenticate": request,
        "policy.evaluate": request,
        "policy.combine": request,
        "policy.record": request,
        "policy.commit": "policy.record",
    }
    root = found[request]
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.kind.name == "SERVER"
    decision = answer.json()
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/decisions",
        "http.response.status_code": 200,
        "policy.verdict": decision["verdict"],
        "policy.decisions": 1,
        "policy.entry": decision["ledger"]["index"],
    }
    assert {name: set(span.attributes or {}) for name, span in found.items() if name != request} == ATTRIBUTES
    everything = "".join(span.to_json() for span in found.values())
    absent = ("alice", "secret", token, "127.0.0.1", "run=17", "acme.example", "support/triage", "of-the-caller")
    assert not [word for word in absent if word in everything]
    assert not any(span.context.trace_state for span in found.values())


@pytest.mark.parametrize(
    "given",
    [f"00-{TRACE}-{PARENT}", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01",
     f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", "", "x" * 5000, f"00-{TRACE[:-1]}é-{PARENT}-01",
     f"{GIVEN},{GIVEN}"],
)  # fmt: skip
def test_a_malformed_traceparent_is_ignored(given: str) -> None:
    assert trace_id_of(given) is None


def test_a_malformed_traceparent_begins_a_trace_of_our_own(server: Server, exporter: InMemorySpanExporter) -> None:
    with server.client() as client:
        for headers in ([("traceparent", f"00-{TRACE}-{PARENT}-zz")], [("traceparent", GIVEN)] * 2):
            assert client.get("/healthz", headers=headers).status_code == 200
    made = [span for span in exporter.get_finished_spans() if span.name == "GET /healthz"]
    assert len(made) == 2
    assert all(span.parent is None and f"{span.context.trace_id:032x}" != TRACE for span in made)


@pytest.mark.parametrize(("given", "found"), [(GIVEN, TRACE), (f"01-{TRACE}-{PARENT}-00-later", TRACE), (None, None)])
def test_what_is_well_formed_names_its_trace(given: str | None, found: str | None) -> None:
    assert trace_id_of(given) == found


def test_what_is_refused_is_marked_by_its_code_alone(server: Server, exporter: InMemorySpanExporter) -> None:
    server.token("read")
    with server.client("pe_wrong") as client:
        client.post("/v1/decisions", json=WORKLOAD, headers={"traceparent": GIVEN})
        client.get("/alice@acme.example", headers={"traceparent": GIVEN})
    found = {span.name: span for span in exporter.get_finished_spans()}
    refused = found["POST /v1/decisions"]
    assert (refused.attributes or {})["error.type"] == "token-unknown"
    assert refused.status.is_unset  # it is the caller's error, and not ours
    assert (found["policy.authenticate"].attributes or {})["error.type"] == "UnauthenticatedError"
    assert "GET unmatched" in found
    assert "alice" not in "".join(span.to_json() for span in found.values())


def test_a_commit_that_several_share_is_linked_from_each(server: Server, exporter: InMemorySpanExporter) -> None:
    """Somebody else writes to the ledger until several requests wait: they are committed together."""
    token = server.token("decide", "read")
    traces = [f"{number:032x}" for number in range(1, 7)]

    def ask(trace: str) -> int:
        with server.client(token) as client:
            headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
            return client.post("/v1/decisions", json=WORKLOAD, headers=headers).status_code

    assert ask(GIVEN[3:35]) == 200
    with ThreadPoolExecutor(6) as pool, server.client(token) as client:
        with closing(sqlite3.connect(server.ledger.removeprefix("sqlite:///"))) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [pool.submit(ask, trace) for trace in traces]
            deadline = time.monotonic() + 20
            while not re.search(r'policy_queue_length\{queue="commit"\} [2-9]', client.get("/metrics").text):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert [each.result(20) for each in asked] == [200] * 6
    records = {trace: spans(exporter, trace)["policy.record"] for trace in traces}
    commits = [span for span in exporter.get_finished_spans() if span.name == "policy.commit"][1:]
    assert sum((span.attributes or {})["policy.groups"] for span in commits) == 6
    assert [span for span in commits if span.links]
    for commit in commits:
        assert commit.parent is not None
        linked = {link.context.span_id for link in commit.links}
        assert len(linked) == (commit.attributes or {})["policy.groups"] - 1
        for span in records.values():
            links = [link.context.span_id for link in span.links]
            assert (commit.context.span_id in links) == (span.context.span_id in linked)
    parents_of_commits = {span.parent.span_id for span in commits if span.parent}
    for span in records.values():
        assert (span.context.span_id in parents_of_commits) != bool(span.links)


def test_idle_makes_nothing() -> None:
    telemetry.use(telemetry.Telemetry())

    def function() -> None: ...

    assert carried(function) is function
    assert here() is None
    assert request_span("GET", lambda: pytest.fail("asked for")) is None
    with shared_span("commit", [None, None]) as span:
        span.set("never", lambda: pytest.fail("evaluated"))
    assert telemetry.span("a") is telemetry.span("b")
