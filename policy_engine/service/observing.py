"""What is noted of a request while it is worked on, for its log line, its span and the counts; nothing of persons."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from policy_engine import telemetry
from policy_engine.service import metrics
from policy_engine.service.meter import Meter

if TYPE_CHECKING:
    from policy_audit.ledger import Recorded

    from policy_engine.model.decision import Decision

#: What is refused with these is counted by its code; others by status alone.
_UNAUTHENTICATED, _FORBIDDEN, _BUSY, _UNAVAILABLE = 401, 403, 429, 503
_INTERNAL = 500
#: Refusals with the last status that are not the ledger's.
_LATE = frozenset({"evaluation-timeout", "report-timeout"})

_REFUSALS = {
    _UNAUTHENTICATED: metrics.LOG_INS_FAILED,
    _FORBIDDEN: metrics.ACCESS_REFUSED,
    _BUSY: metrics.BUSY,
    _UNAVAILABLE: metrics.LEDGER_REFUSALS,
}


class Counted(Protocol):
    """What is counted of a decision."""

    @property
    def verdict(self) -> str: ...

    @property
    def fired(self) -> frozenset[str]: ...


class Noted:
    """One request. `route` is the template of its path, `code` that of the problem that it was answered with."""

    __slots__ = (
        "code", "decisions", "entry", "exemplar", "method", "request_id", "route", "started", "trace_id", "verdict",
    )  # fmt: skip

    def __init__(self, method: str) -> None:
        self.method = method
        self.started = time.perf_counter()
        self.route: str | None = None
        self.request_id: str | None = None
        self.trace_id: str | None = None
        #: The trace where it is sent, so that counts may name it as their example.
        self.exemplar: str | None = None
        self.code: str | None = None
        self.verdict: str | None = None
        self.decisions: int | None = None
        self.entry: int | None = None

    def said(self) -> dict[str, Any]:
        """Return what it came to, as attributes."""
        found = {"verdict": self.verdict, "decisions": self.decisions, "entry": self.entry}
        return {name: value for name, value in found.items() if value is not None}


_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)
#: Make a request the one that is worked on, in its task and in what that awaits.
begin = _noted.set


def current() -> Noted | None:
    """Return the request that is worked on; None outside of one."""
    return _noted.get()


def note_problem(code: str) -> None:
    """Note the code of the problem that a request is answered with."""
    noted = _noted.get()
    if noted is not None:
        noted.code = code


def note_decisions(
    meter: Meter,
    decisions: Sequence[Counted],
    recorded: Sequence[Recorded],
    purpose: str,
) -> None:
    """Note decisions that are on record now, and count them."""
    for each in decisions:
        meter.count(metrics.DECISIONS, each.verdict, purpose)
    meter.fired([each.fired for each in decisions])
    noted = _noted.get()
    if noted is not None:
        noted.decisions, noted.entry = len(decisions), recorded[0].index if recorded else None
        verdicts = {each.verdict for each in decisions}
        noted.verdict = verdicts.pop() if len(verdicts) == 1 else "mixed"
    if telemetry.listening():
        seconds = time.perf_counter() - noted.started if noted is not None else 0.0
        for each in decisions:
            telemetry.count(each.verdict, each.fired, seconds)


def note_refusal(meter: Meter, status: int, code: str | None) -> None:
    """Count a request that was refused or failed, by what kind of refusal it was."""
    if status == _INTERNAL:
        meter.count(metrics.SERVER_ERRORS)
    of = _REFUSALS.get(status)
    if of is not None and code not in _LATE:
        meter.count(of, code or "other")


def fired_rules(decision: Decision) -> frozenset[str]:
    """Return the ids of the rules that fired in a decision."""
    rows = (row for task in decision.document["tasks"] for row in task["rules"])
    return frozenset(row["id"] for row in rows if row["outcome"] == "fired")
