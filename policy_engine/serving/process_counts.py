"""What a worker's process takes of its machine: processor, memory, files, and how late its event loop comes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from policy_engine.service import metrics
from policy_engine.service.meter import Labels, Meter

_STATM, _FILES = Path("/proc/self/statm"), Path("/proc/self/fd")


class ProcessCounts:
    """Measures this process for the worker of one number."""

    def __init__(self, meter: Meter, worker: int, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._meter, self._loop = meter, loop
        self._labels: Labels = (str(worker),)
        self._counted = 0.0
        self._lag = 0.0
        started = time.time()
        meter.gauge(metrics.STARTED, lambda: {self._labels: started})
        meter.gauge(metrics.MEMORY, lambda: self._of(_memory()))
        meter.gauge(metrics.OPEN_FILES, lambda: self._of(_open_files()))
        meter.gauge(metrics.LOOP_LAG, lambda: {self._labels: self._lag})

    def tick(self) -> None:
        """Count the processor's time since the last tick, and ask the loop how late it is."""
        spent = time.process_time()
        self._meter.count(metrics.CPU_SECONDS, *self._labels, by=spent - self._counted)
        self._counted = spent
        if self._loop is not None:
            asked = time.perf_counter()
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(lambda: self._came(time.perf_counter() - asked))

    def _came(self, late: float) -> None:
        self._lag = late

    def _of(self, value: float | None) -> dict[Labels, float]:
        return {} if value is None else {self._labels: value}


def _memory() -> float | None:
    """Return the resident memory, in bytes; None where the system does not say."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _open_files() -> float | None:
    try:
        return len(os.listdir(_FILES))
    except OSError:
        return None
