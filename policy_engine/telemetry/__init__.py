"""Traces and metrics: the only place that imports opentelemetry, and only where the `OTEL_*` variables ask.

Spans: run, and in it load, evaluate, combine, record; of a server's request, authenticate, evaluate, combine, record
and commit (`telemetry.requests`). Metrics: `policy.decisions` by verdict, `policy.rules.fired` by rule,
`policy.decision.duration` in seconds. Without a request for them every call here is idle and no import happens.

INVARIANT: telemetry never keeps a decision back, changes an exit status or prints more than a line: what goes wrong in
it is one warning, and what is not sent in time is dropped.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from policy_engine.telemetry.providers import meter_provider as _meter_provider
from policy_engine.telemetry.providers import tracer_provider as _tracer_provider
from policy_engine.telemetry.providers import views

__all__ = [
    "FLUSH_SECONDS", "Span", "Telemetry", "configure_from_environment", "count", "listening", "shutdown", "span",
    "tracer", "use", "views", "warn_with",
]  # fmt: skip

_TRACES = "TRACES"
_METRICS = "METRICS"
_EXPORTERS = ("otlp", "console")
_PROTOCOL = "http/protobuf"
#: Said by whoever runs a command on their own files; a server says of its clients' workloads no names.
WITHHELD = frozenset({"workload"})
#: What a context holds in which work is done for a server's request.
SERVED = "policy.served"
#: How long the end of a run waits for a collector, for all signals together.
FLUSH_SECONDS = 2.0


class Span:
    """What a block of work says of itself; does nothing while telemetry is off."""

    def set(self, name: str, value: Callable[[], Any]) -> None:
        """Set the attribute `policy.<name>`; `value` is called only if somebody listens."""


class _RealSpan(Span):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def set(self, name: str, value: Callable[[], Any]) -> None:
        self._inner.set_attribute(f"policy.{name}", value())


class Telemetry:
    """Instruments on given providers; `Telemetry()` is off."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self._providers = [p for p in (tracer_provider, meter_provider) if p is not None]
        self._tracer = tracer_provider.get_tracer("policy_engine") if tracer_provider is not None else None
        self._decisions: Any = None
        if meter_provider is not None:
            meter = meter_provider.get_meter("policy_engine")
            self._decisions = meter.create_counter("policy.decisions", "{decision}", "Decisions by verdict")
            self._fired = meter.create_counter("policy.rules.fired", "{firing}", "Fired rules by rule")
            self._duration = meter.create_histogram("policy.decision.duration", "s", "Time to decide and to record")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        if self._tracer is None:
            yield _SILENT
            return
        kept = {key: value for key, value in attributes.items() if key not in WITHHELD or not _is_served()}
        named = {f"policy.{key}": value for key, value in kept.items()}
        # an exception's text and trace may hold what a file says: the status tells that it failed, the span no more
        with self._tracer.start_as_current_span(
            f"policy.{name}", attributes=named, record_exception=False, set_status_on_exception=False
        ) as inner:
            try:
                yield _RealSpan(inner)
            except BaseException as error:
                _failed(inner, error)
                raise

    def count(self, verdict: str, fired: Iterable[str], seconds: float) -> None:
        """Count one recorded decision, its fired rules, and how long it took."""
        if self._decisions is None:
            return
        self._decisions.add(1, {"policy.verdict": verdict})
        for rule in fired:
            self._fired.add(1, {"policy.rule": rule})
        self._duration.record(seconds, {"policy.verdict": verdict})

    @property
    def on(self) -> bool:
        return bool(self._providers)

    @property
    def tracer(self) -> Any:
        """OpenTelemetry's tracer; None where no traces are sent."""
        return self._tracer

    def shutdown(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Send what is waiting; return whether all of it left in `seconds`.

        The exporters' own bounds are retries apart, so that each provider ends in a thread that is left behind.
        """
        threads = [threading.Thread(target=_end, args=(p,), daemon=True) for p in self._providers]
        for thread in threads:
            thread.start()
        until = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


def _is_served() -> bool:
    from opentelemetry import context

    return bool(context.get_value(SERVED))


def _failed(inner: Any, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode

    inner.set_attribute("error.type", type(error).__name__)
    inner.set_status(Status(StatusCode.ERROR))


def _end(provider: Any) -> None:
    # in a thread of its own, where an exception would print its trace; what is lost, the log has said
    with suppress(Exception):
        provider.force_flush()
        provider.shutdown()


_SILENT = Span()
_current = Telemetry()
_request: Callable[[], Telemetry] | None = None
_noise: _Noise | None = None


def use(telemetry: Telemetry) -> None:
    """Make `telemetry` the one that `span` and `count` report to."""
    global _current, _request
    _current, _request = telemetry, None


def _active() -> Telemetry:
    """Return the telemetry in use, built when the first work reports: help and errors of usage wait for nothing."""
    if _request is not None:
        build = _request
        try:
            use(build())
        except Exception as error:  # noqa: BLE001 - a wrong OTEL_* variable takes no decision with it
            use(Telemetry())
            _warn(f"no telemetry: {' '.join(str(error).split())[:200] or type(error).__name__}")
    return _current


class _Idle:
    """The span of no telemetry: one for all, so that it costs a look at a variable."""

    def __enter__(self) -> Span:
        return _SILENT

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


_IDLE = _Idle()


def span(name: str, **attributes: Any) -> AbstractContextManager[Span]:
    """Report a block of work as the span `policy.<name>`."""
    active = _active()
    return _IDLE if active.tracer is None else active.span(name, attributes)


def count(verdict: str, fired: Iterable[str], seconds: float) -> None:
    """Count one decision that took `seconds`."""
    _active().count(verdict, fired, seconds)


def listening() -> bool:
    """Whether anybody asked for telemetry."""
    return _active().on


def tracer() -> Any:
    """Return OpenTelemetry's tracer; None where no traces are sent."""
    return _active().tracer


def shutdown() -> None:
    """Flush and end telemetry at the end of a run; say in one line what was lost."""
    global _noise  # noqa: PLW0603 - as in `use`
    ended, noise = _current, _noise
    use(Telemetry())
    _noise = None
    complete = ended.shutdown()
    if noise is not None:
        noise.close_for_good(complete)


def configure_from_environment(environment: Mapping[str, str] | None = None) -> None:
    """Turn telemetry on, from the first span or count on, where the standard variables ask for it."""
    global _request  # noqa: PLW0603 - as in `use`
    env = os.environ if environment is None else environment
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    asked = {signal: exporters for signal in (_TRACES, _METRICS) if (exporters := _asked(env, signal))}
    if asked:
        _request = lambda: _build(asked, env)  # noqa: E731 - a closure is all it is


def _asked(env: Mapping[str, str], signal: str) -> list[str]:
    """Return the exporters that are asked for; an endpoint alone asks for OTLP."""
    named = [each.strip().lower() for each in env.get(f"OTEL_{signal}_EXPORTER", "").split(",") if each.strip()]
    if named:
        return [] if "none" in named else list(dict.fromkeys(named))
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return ["otlp"] if any(env.get(name) for name in endpoints) else []


def _build(asked: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> Telemetry:
    global _noise  # noqa: PLW0603 - as in `use`
    refused: dict[str, None] = {}
    usable = {
        signal: [name for name in names if _usable(name, signal, env, refused)] for signal, names in asked.items()
    }
    if refused:
        _warn(f"no telemetry: {'; '.join(refused)}")
    if not any(usable.values()):
        return Telemetry()
    _noise = _Noise()
    traces, metrics = usable.get(_TRACES), usable.get(_METRICS)
    return Telemetry(
        _tracer_provider(traces, env) if traces else None, _meter_provider(metrics, env) if metrics else None
    )


def _usable(name: str, signal: str, env: Mapping[str, str], refused: dict[str, None]) -> bool:
    """Whether an exporter can be used; why not gathers in `refused`, each reason once."""
    if name not in _EXPORTERS:
        refused[f"there is no exporter `{name}`, only {', '.join(_EXPORTERS)} and none"] = None
        return False
    if name == "console":
        return True
    generic = env.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    protocol = (env.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or generic or _PROTOCOL).strip().lower()
    if protocol != _PROTOCOL:
        refused[f"the protocol `{protocol}` is not spoken, only {_PROTOCOL}"] = None
        return False
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401 - whether it is there
    except ImportError:
        refused["the exporter `otlp` needs `pip install policy-engine[otlp]`"] = None
        return False
    return True


def warn_with(say: Callable[[str], None]) -> None:
    """Have warnings said by `say` instead of as a line on standard error."""
    global _say  # noqa: PLW0603 - as in `use`
    _say = say


def _warn(text: str) -> None:
    _say(text)


def _on_stderr(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"warning: {text}\n")


_say: Callable[[str], None] = _on_stderr


class _Noise(logging.Handler):
    """Takes what OpenTelemetry logs, traces included, and says it in one line at the end."""

    _LOGGERS = ("opentelemetry", "urllib3", "requests")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None
        self._before = {name: (logging.getLogger(name).propagate) for name in self._LOGGERS}
        for name in self._LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        if self.first is None and record.name.startswith("opentelemetry"):
            self.first = " ".join(record.getMessage().split())[:160]

    def close_for_good(self, complete: bool) -> None:
        """Warn of what was lost. A thread that was left behind goes on talking to this handler, and is not heard."""
        if complete:
            for name, propagate in self._before.items():
                logger = logging.getLogger(name)
                logger.removeHandler(self)
                logger.propagate = propagate
        if not complete:
            _warn(f"telemetry is incomplete: the collector did not take it in {FLUSH_SECONDS:g} s")
        elif self.first is not None:
            _warn(f"telemetry is incomplete: {self.first}")
