"""Telemetry with the in-memory exporters: what a run reports, and how it behaves where it cannot report."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policy_engine import telemetry
from policy_engine.cli.main import call

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "examples" / "writing-assistant.yaml")
DENIED = str(ROOT / "examples" / "leaking-fallback.yaml")
SCRATCH = ["--ledger", "sqlite:///:memory:", "--at", "2026-11-22T09:00:00Z"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start and end with telemetry off, whatever the environment says."""
    import os

    for name in [name for name in os.environ if name.startswith(("OTEL_", "POLICY_"))]:
        monkeypatch.delenv(name)
    telemetry.use(telemetry.Telemetry())
    yield
    telemetry.use(telemetry.Telemetry())


class Receiver:
    """Providers whose exporters keep what they get."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = telemetry.Telemetry(tracing, MeterProvider([self.reader], views=telemetry.views()))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    @property
    def metrics(self) -> dict[str, Any]:
        data: Any = self.reader.get_metrics_data()
        found = (data.resource_metrics[0].scope_metrics[0].metrics) if data else []
        return {metric.name: metric for metric in found}

    def points(self, name: str, key: str) -> dict[str, Any]:
        return {point.attributes[key]: point.value for point in self.metrics[name].data.data_points}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Listen to the runs of this test; a run's end leaves what was received."""
    receiver = Receiver()
    telemetry.use(receiver.telemetry)
    monkeypatch.setattr(telemetry.Telemetry, "shutdown", lambda self, seconds=0.0: True)
    return receiver


def evaluate(*files: str) -> int:
    return call(["evaluate", *files, *SCRATCH, "-q"])


def test_a_run_is_one_trace_of_load_evaluate_combine_record(receiver: Receiver) -> None:
    assert evaluate(EXAMPLE) == 0
    spans = receiver.spans
    assert list(spans) == ["policy.load", "policy.evaluate", "policy.combine", "policy.record", "policy.run"]
    (run,) = [span for span in spans.values() if span.parent is None]
    assert run.name == "policy.run"
    assert run.context is not None
    for name, span in spans.items():
        if name != "policy.run":
            assert span.parent is not None
            assert span.parent.span_id == run.context.span_id
        assert span.status.is_ok or span.status.is_unset


def test_spans_say_what_was_decided_and_by_which_rules(receiver: Receiver) -> None:
    evaluate(EXAMPLE)
    spans = {name: dict(span.attributes or {}) for name, span in receiver.spans.items()}
    assert spans["policy.evaluate"]["policy.workload"] == "default/writing-assistant"
    fired: Any = spans["policy.evaluate"]["policy.fired"]
    assert "prototype-uses-api" not in fired
    assert "real-time-work-excludes-batch" in fired
    assert list(fired) == sorted(fired)
    assert spans["policy.combine"]["policy.verdict"] == "allow"
    assert spans["policy.record"]["policy.decisions"] == 1
    assert spans["policy.record"]["policy.indexes"] == (0,)
    assert spans["policy.run"] == {"policy.files": 1, "policy.purpose": "draft"}


def test_decisions_are_counted_by_verdict_and_firings_by_rule(receiver: Receiver, tmp_path: Path) -> None:
    evaluate(EXAMPLE, str(shutil.copy(EXAMPLE, tmp_path)), DENIED)
    assert receiver.points("policy.decisions", "policy.verdict") == {"allow": 2, "deny": 1}
    assert receiver.points("policy.rules.fired", "policy.rule")["real-time-work-excludes-batch"] >= 2


def test_durations_fall_into_buckets_of_their_size(receiver: Receiver) -> None:
    evaluate(EXAMPLE)
    metric = receiver.metrics["policy.decision.duration"]
    (point,) = metric.data.data_points
    assert metric.unit == "s"
    assert point.count == 1
    assert 0 < point.sum < 60
    assert point.explicit_bounds[0] < 0.001
    assert point.explicit_bounds[-1] == 10


def test_what_fails_is_marked_without_its_text(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret-folder"
    assert call(["evaluate", EXAMPLE, *SCRATCH, "--policy", str(secret)]) == 3
    load = receiver.spans["policy.load"]
    assert not load.status.is_ok
    assert dict(load.attributes or {})["error.type"] == "RulesError"
    assert "secret-folder" not in load.to_json()
    assert receiver.metrics == {}


def test_a_decision_that_is_not_recorded_is_not_counted(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "no-ledger.db").write_text("no database", encoding="utf-8")
    assert call(["evaluate", EXAMPLE, "--ledger", f"sqlite:///{tmp_path}/no-ledger.db"]) == 6
    assert "policy.decisions" not in receiver.metrics


def test_off_does_nothing() -> None:
    with telemetry.span("load", layers=1) as span:
        span.set("never", lambda: pytest.fail("evaluated"))
    telemetry.count("allow", [], 0.1)
    assert not telemetry.listening()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_SDK_DISABLED": " TRUE ", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
        {"OTEL_SERVICE_NAME": "policy"},
    ],
)
def test_it_is_off_unless_the_variables_ask(environment: dict[str, str]) -> None:
    telemetry.configure_from_environment(environment)
    assert not telemetry.listening()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "there is no exporter `zipkin`, only otlp, console and none"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "the protocol `grpc`"),
    ],
)
def test_what_cannot_be_used_is_one_warning(
    environment: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure_from_environment(environment)
    assert capsys.readouterr().err == ""
    assert not telemetry.listening()
    assert not telemetry.listening()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: no telemetry: ")
    assert said in line


def test_a_missing_exporter_is_one_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    telemetry.configure_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert not telemetry.listening()
    assert capsys.readouterr().err == (
        "warning: no telemetry: the exporter `otlp` needs `pip install policy-engine[otlp]`\n"
    )


def test_a_wrong_variable_is_one_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(telemetry, "_tracer_provider", lambda *_: int("nonsense"))
    telemetry.configure_from_environment({"OTEL_TRACES_EXPORTER": "console"})
    with telemetry.span("load"):
        pass
    telemetry.shutdown()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: no telemetry: invalid literal")


class _Stuck:
    """A provider whose collector never answers, and then breaks."""

    never = threading.Event()

    def get_tracer(self, _: str) -> Any:
        return TracerProvider().get_tracer("x")

    def force_flush(self) -> None:
        self.never.wait(30)

    def shutdown(self) -> None:
        raise ValueError("is not seen")


def test_a_collector_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []
    join = threading.Thread.join

    def seen(thread: threading.Thread, timeout: float | None = None) -> None:
        waited.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", seen)
    assert telemetry.Telemetry(_Stuck(), None).shutdown(0.2) is False
    _Stuck.never.set()
    # starting a thread may join nothing; what matters is that the one wait for it is bounded
    (bounded,) = [timeout for timeout in waited if timeout is not None]
    assert bounded <= 0.2


def test_the_sdks_log_is_one_line_without_traces(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody listens at this endpoint: the exporter logs errors with tracebacks."""
    telemetry.configure_from_environment(
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "x", "OTEL_METRICS_EXPORTER": "none"}
    )
    with telemetry.span("load"):
        try:
            raise ValueError("inner")
        except ValueError:
            logging.getLogger("opentelemetry.sdk.trace.export").exception("Exception while exporting Span.")
            logging.getLogger("opentelemetry.sdk.metrics").exception("and again")
    telemetry.shutdown()
    error = capfd.readouterr().err
    assert "Traceback" not in error
    assert error.count("warning: telemetry is incomplete: Exception while exporting Span.") == 1
    assert "and again" not in error
    assert logging.getLogger("opentelemetry").propagate


def test_nothing_of_opentelemetry_is_imported_when_off() -> None:
    assert importlib.util.find_spec("opentelemetry") is not None
    program = (
        "import sys; from policy_engine.cli.main import call;"
        f"status = call(['evaluate', {EXAMPLE!r}, '--ledger', 'sqlite:///:memory:', '-q']);"
        "sys.exit(status or any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "OTEL_SERVICE_NAME": "asks for nothing"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_help_waits_for_no_telemetry() -> None:
    program = (
        "import sys; from policy_engine.cli.main import call; call(['--help']);"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = {"PATH": "/usr/bin:/bin", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
