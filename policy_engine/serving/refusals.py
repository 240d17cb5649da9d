"""What the protocol itself refuses, before there is a request: counted each time, logged in a bounded number of lines.

Whoever sends anything but HTTP, TLS to a port that speaks none or a head without an end, costs an answer and no more:
a second has so many lines of it, and the next line says how many were left out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from policy_engine.service import metrics
from policy_engine.serving.observed import UNMATCHED

if TYPE_CHECKING:
    from policy_engine.service.meter import Meter
    from policy_engine.serving.logs import Log

#: Lines in each second of one worker.
MOST_LINES = 5
_METHOD = "other"


class Refusals:
    """Counts and says them for one worker; for the event loop's thread."""

    def __init__(self, meter: Meter, log: Log | None) -> None:
        self._meter, self._log = meter, log
        self._second = 0.0
        self._lines = self._left_out = 0

    def note(self, status: int, code: str) -> None:
        """Note one."""
        self._meter.count(metrics.REQUESTS, UNMATCHED, _METHOD, str(status))
        if self._log is None:
            return
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second, self._lines = now, 0
        if self._lines >= MOST_LINES:
            self._left_out += 1
            return
        self._lines += 1
        fields = {"route": UNMATCHED, "status": status, "code": code, "left_out": self._left_out or None}
        self._left_out = 0
        self._log.write("info", "request", time.time(), fields, now=False)
