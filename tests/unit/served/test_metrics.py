"""`/metrics`: what it counts, in Prometheus' formats, for all workers of a host, and for whom."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from policy_engine.service import metrics
from policy_engine.service.meter import Counts, Meter, merged
from policy_engine.service.observing import note_refusal
from policy_engine.serving.metrics import exposition
from policy_engine.serving.slots import Slot
from tests.serving import WORKLOAD, Server, serving

OPEN = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("metered")
    with serving(f"sqlite:///{folder / 'ledger.db'}", state=folder / "state") as running:
        yield running


def scraped(server: Server, token: str, accept: str = "") -> dict[str, float]:
    """The samples of a scrape by their name and labels."""
    with server.client(token) as client:
        answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    families = (open_metrics if accept else plain)(answer.text)
    return {key(s.name, s.labels): s.value for family in families for s in family.samples}


def key(name: str, labels: dict[str, str]) -> str:
    return name + "".join(f" {label}={labels[label]}" for label in sorted(labels))


def test_requests_decisions_and_rules_are_counted_by_what_they_came_to(server: Server) -> None:
    token = server.token("decide", "read")
    invalid = copy.deepcopy(WORKLOAD)
    invalid["spec"]["stage"] = "no-such-stage"
    before = scraped(server, token)
    with server.client(token) as client:
        answers = [client.post("/v1/decisions?purpose=deploy", json=WORKLOAD).json() for _ in range(3)]
        verdict = answers[0]["verdict"]
        client.post("/v1/decisions", json=invalid)
        client.get("/no/such/path/alice@acme.example?name=alice")
    with server.client("pe_nobody") as client:
        client.post("/v1/decisions", json=WORKLOAD)
    with server.client(server.token("read")) as client:
        client.post("/v1/decisions", json=WORKLOAD)
    after = scraped(server, token)

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    requests = "policy_http_requests_total method=POST route=/v1/decisions status="
    assert [more(requests + status) for status in ("200", "422", "401", "403")] == [3, 1, 1, 1]
    assert more("policy_http_requests_total method=GET route=unmatched status=404") == 1
    assert more("policy_http_request_duration_seconds_count method=POST route=/v1/decisions") == 6
    assert more(f"policy_decisions_total purpose=deploy verdict={verdict}") == 3
    assert more("policy_decisions_remembered_total") == 2
    assert more("policy_rules_fired_total rule=task-class-workhorse") == 3
    assert 3 <= more("policy_commit_entries_sum") <= 4  # with that of the log-in that failed
    commits = more("policy_commits_total result=committed")
    assert 3 <= commits == more("policy_commit_duration_seconds_count") == more("policy_commit_entries_count")
    assert more("policy_evaluation_duration_seconds_count") == 2
    assert more("policy_log_ins_failed_total code=token-unknown") == 1
    assert more("policy_access_refused_total code=role") == 1
    assert after["policy_workers"] == 1
    assert after["policy_worker_resident_memory_bytes worker=0"] > 10 << 20
    assert after["policy_worker_cpu_seconds_total worker=0"] > 0
    (info,) = [name for name in after if name.startswith("policy_in_force_info")]
    assert re.search(r"digest=sha256:[0-9a-f]{64}", info)
    assert "alice" not in " ".join(after)


def test_openmetrics_says_the_same_and_ends(server: Server) -> None:
    token = server.token("read")
    names = {name.partition(" ")[0] for name in scraped(server, token, OPEN)}
    # the older format has no ending, and so have its names
    assert names == {name.partition(" ")[0] for name in scraped(server, token)}
    with server.client(token) as client:
        answer = client.get("/metrics", headers={"Accept": OPEN})
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert answer.text.endswith("# EOF\n")
        for odd in ("application/openmetrics-text;version=x.y", "text/plain;version=" + "9" * 200, "*/*", ";,;=,"):
            assert client.get("/metrics", headers={"Accept": odd}).status_code == 200


def test_who_may_read_them(server: Server, tmp_path: Path) -> None:
    answers = {}
    tokens = {"": None, "decide": server.token("decide"), "some": server.token("read", namespaces=["support"])}
    for name, token in tokens.items():
        with server.client(token) as client:
            answers[name] = client.get("/metrics").status_code
    assert answers == {"": 401, "decide": 403, "some": 403}
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", public_metrics=True) as public:
        public.token("read")
        with public.client() as client:
            assert client.get("/metrics").status_code == 200


def test_names_follow_prometheus() -> None:
    for metric in metrics.METRICS:
        assert re.fullmatch(r"policy_[a-z]+(_[a-z]+)*", metric.name), metric.name
        assert not re.search(r"_(total|count|sum|bucket|milliseconds|ms|kb|mb|percent|ratio)$", metric.name)
        assert not metric.unit or metric.name.endswith(f"_{metric.unit}")
        assert metric.kind in {"counter", "histogram", "gauge"}
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")
        assert not {"le", "quantile", "job", "instance"} & set(metric.labels)
    assert len({metric.name for metric in metrics.METRICS}) == len(metrics.METRICS)


def parsed(counts: Counts) -> dict[str, float]:
    families = open_metrics(exposition(counts, OPEN)[0].decode())
    return {key(s.name, s.labels): s.value for family in families for s in family.samples}


def test_exemplars_are_traces_and_the_later_one_stays() -> None:
    first, second = Meter(), Meter()
    first.observe(metrics.COMMIT_SECONDS, 0.003, trace="1" * 32)
    second.observe(metrics.COMMIT_SECONDS, 0.004, trace="2" * 32)
    second.observe(metrics.COMMIT_SECONDS, 0.3)
    text = exposition(merged([(second.take(), True), (first.take(), True)]), OPEN)[0].decode()
    found = {
        s.labels["le"]: s.exemplar
        for family in open_metrics(text)
        for s in family.samples
        if s.name == "policy_commit_duration_seconds_bucket" and s.exemplar
    }
    assert set(found) == {"0.005"}
    assert found["0.005"].labels == {"trace_id": "2" * 32}
    assert found["0.005"].value == 0.004


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["add", "see", "stop", "die"])), max_size=30))
def test_no_counter_goes_back_whoever_lives_and_dies(steps: list[tuple[int, str]]) -> None:
    """Against a plain sum of what was written or seen: whoever is asked shows it, and never less than before."""
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers: dict[int, tuple[Slot, Meter]] = {}
        shown, unwritten = 0.0, dict.fromkeys(range(3), 0)
        total = 0
        for worker, step in steps:
            if worker not in workers:
                meter = Meter()
                workers[worker] = (Slot(folder, meter), meter)
            slot, meter = workers[worker]
            if step == "add":
                meter.count(metrics.REMEMBERED)
                meter.fired([frozenset({"a", "b"})])
                total, unwritten[worker] = total + 1, unwritten[worker] + 1
            elif step == "see":
                found = parsed(slot.all())
                unwritten[worker] = 0
                now = found.get("policy_decisions_remembered_total", 0)
                assert now == total - sum(unwritten.values())
                assert now == found.get("policy_rules_fired_total rule=a", 0)
                assert now >= shown
                shown = now
            else:
                del workers[worker]
                if step == "stop":
                    slot.stop()
                else:  # as the system does for a process that was killed: what it had not written is gone
                    assert slot._lock is not None
                    os.close(slot._lock)
                    total -= unwritten[worker]
                unwritten[worker] = 0
        assert len(list(folder.glob("*.counts"))) <= 3
        for slot, _ in workers.values():
            slot.stop()


def test_gauges_are_of_those_who_are_there(tmp_path: Path) -> None:
    def worker(ready: int) -> Slot:
        meter = Meter()
        meter.gauge(metrics.WORKERS, lambda: 1)
        meter.gauge(metrics.READY, lambda: ready)
        meter.gauge(metrics.QUEUE, lambda: {("commit",): 3})
        return Slot(tmp_path, meter)

    one, two = worker(1), worker(0)
    two.write()
    found = parsed(one.all())
    assert (found["policy_workers"], found["policy_ready"], found["policy_queue_length queue=commit"]) == (2, 0, 6)
    two.stop()
    found = parsed(one.all())
    assert (found["policy_workers"], found["policy_ready"], found["policy_queue_length queue=commit"]) == (1, 1, 3)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"\x93\x01\x02\x03", b"{}"])
def test_a_file_that_is_none_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.counts").write_bytes(content)
    (tmp_path / "7.counts").write_bytes(content)
    meter = Meter()
    slot = Slot(tmp_path, meter)
    meter.count(metrics.REMEMBERED)
    assert parsed(slot.all())["policy_decisions_remembered_total"] == 1
    slot.stop()


def test_values_of_a_label_are_bounded() -> None:
    meter = Meter()
    for number in range(metrics.MOST_SERIES + 50):
        meter.count(metrics.LEDGER_REFUSALS, f"code-{number}")
        meter.observe(metrics.REQUEST_SECONDS, 0.1, f"/{number}", "GET")
    counts: Any = meter.take()
    assert counts.counters["policy_ledger_refusals"]["other",] == 50
    assert counts.histograms["policy_http_request_duration_seconds"]["other", "other"].counts[6] == 50


def test_errors_and_refusals_of_the_ledger_are_counted_from_the_first_one_on() -> None:
    meter = Meter()
    assert parsed(meter.take())["policy_server_errors_total"] == 0
    for status, code in ((500, "internal"), (503, "ledger-unreachable"), (503, "evaluation-timeout"), (404, "route")):
        note_refusal(meter, status, code)
    found = parsed(meter.take())
    assert found["policy_server_errors_total"] == 1
    refused = {name: value for name, value in found.items() if name.startswith("policy_ledger_refusals")}
    assert refused == {"policy_ledger_refusals_total code=ledger-unreachable": 1}
