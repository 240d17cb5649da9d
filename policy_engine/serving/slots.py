"""What the workers of one host counted, in files that any of them can read: one place for each worker.

A worker takes the lowest place that is free, which a lock says that ends with its process, and counts on from what was
counted there. So there are no more files than there were workers at once, and no counter goes back.
INVARIANT: what is shown was written before, unless the disk is full: a counter that was seen survives who counted it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from policy_engine.service.meter import Counts, Meter, merged

#: A worker that has not written for so long does not answer, and its gauges do not count, in seconds.
SILENT_SECONDS = 5.0
#: So often counts are written, in seconds.
EVERY_SECONDS = 1.0
_MOST = 1024


class Written(Struct):
    """The file of a place."""

    at: float
    counts: Counts


class Slot:
    """A worker's place in `folder`; without a folder it is the only one, and nothing is written."""

    def __init__(self, folder: Path | None, meter: Meter) -> None:
        self._folder, self._meter = folder, meter
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        self._gone = False
        self.number = 0
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.number, self._lock = _take(folder)
            earlier = _read(self._file(self.number))
            if earlier is not None:
                meter.go_on_from(earlier.counts)

    def start(self, each_time: Callable[[], None] = lambda: None) -> None:
        """Write about once a second from now on, after a call of `each_time`."""

        def run() -> None:
            while not self._stopped.wait(EVERY_SECONDS):
                each_time()
                self.write()

        self._thread = threading.Thread(target=run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write a last time, and leave the place to another."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(2 * EVERY_SECONDS)
        self._gone = True
        self.write()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self) -> Counts:
        """Write what was counted, and return it. A full disk costs the other workers this one's last counts."""
        with self._writing:
            counts = self._meter.take()
            if self._gone:
                counts.gauges.clear()
            if self._folder is not None and self._lock is not None:
                path = self._file(self.number)
                fresh = path.with_suffix(".new")
                try:
                    fresh.write_bytes(msgspec.msgpack.encode(Written(time.time(), counts)))
                    fresh.replace(path)
                except OSError:
                    return counts
            return counts

    def all(self) -> Counts:
        """Return what all workers of this host counted."""
        own = self.write()
        if self._folder is None:
            return merged([(own, True)])
        found = [(own, True)]
        others = (_read(path) for path in self._folder.glob("*.counts") if path != self._file(self.number))
        found += [(each.counts, abs(time.time() - each.at) < SILENT_SECONDS) for each in others if each is not None]
        return merged(found)

    def _file(self, number: int) -> Path:
        assert self._folder is not None  # noqa: S101 - asked only where there is one
        return self._folder / f"{number}.counts"


def _take(folder: Path) -> tuple[int, int]:
    for number in range(_MOST):
        handle = os.open(folder / f"{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        return number, handle
    raise OSError(f"{_MOST} workers share `{folder}`")


def _read(path: Path) -> Written | None:
    """Return a place's file; None where there is none, or none of this version."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Written)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
