"""Keeps the workers: starts them, replaces those that die or no longer answer, and ends them.

uvicorn's own supervisor looks at them in turn, waits for one that hangs before it looks at the next, and gives up all
of them where one fails as it starts. This one waits for none and gives up none, except where not one ever started.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

import uvicorn

from policy_engine.errors import PolicyError, Problem
from policy_engine.serving.hearing import Told
from policy_engine.serving.saying import Say
from policy_engine.serving.worker import Worker, how, join

#: So often a worker is asked whether it is there; so long its answer may take, and so long the first one. Seconds.
ASK_SECONDS, ANSWER_SECONDS, START_SECONDS = 1.0, 5.0, 120.0
#: A worker that lived so long was no failed start.
_SETTLED_SECONDS = 10.0
_LONGEST_PAUSE = 30.0
#: So many failed starts in a row, where none ever succeeded, end the server.
_MOST_FAILED = 5
_TICK_SECONDS = 0.25


class StoppedError(PolicyError):
    """The server was stopped hard, or could not be started."""


class _Place:
    """Where one worker stands, and when another may be tried."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.failures = 0
        self.not_before = 0.0

    def failed(self, now: float) -> None:
        """Note that a start failed: the next one follows at once, those after it ever later."""
        self.failures += 1
        pause = min(0.5 * 2 ** (self.failures - 2), _LONGEST_PAUSE) if self.failures > 1 else 0.0
        self.not_before = now + pause


class Supervisor:
    """Runs in the main thread of the first process."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], say: Say, told: Told, grace_seconds: float
    ) -> None:
        self._config, self._sockets, self._say, self._grace = config, sockets, say, grace_seconds
        self._told = told
        self._places = [_Place() for _ in range(config.workers)]
        self._ever_ready = False
        self.reload: Callable[[], None] = lambda: None
        self.before_start: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Return after a graceful stop.

        Raises:
            StoppedError: it was told to stop at once, did not stop in time, or no worker ever started.
        """
        try:
            while not self._told.ends():
                if self._told.reload():
                    self.reload()
                self._look()
                sentinels = [each.worker.process.sentinel for each in self._places if each.worker is not None]
                with suppress(OSError):
                    wait([self._told.woken, *sentinels], _TICK_SECONDS)
                self._told.rest()
            self._end()
        finally:
            self._stop_all()

    def _look(self) -> None:
        now = time.monotonic()
        for place in self._places:
            worker = place.worker
            if worker is not None:
                worker.hear(now)
                self._note(place, worker, now)
                if worker.exitcode is not None:
                    self._bury(place, worker, now)
                elif self._hangs(worker, now):
                    self._say("error", "worker hangs", pid=worker.pid, seconds=round(now - worker.asked_at))
                    worker.stop()
                    self._bury(place, worker, now)
                elif not worker.waits and now - worker.asked_at >= ASK_SECONDS:
                    worker.ask(now)
            if place.worker is None and now >= place.not_before:
                self._start(place, now)

    def _note(self, place: _Place, worker: Worker, now: float) -> None:
        if worker.ready and now - worker.started_at >= _SETTLED_SECONDS:
            place.failures = 0
        self._ever_ready = self._ever_ready or worker.ready

    def _hangs(self, worker: Worker, now: float) -> bool:
        patience = ANSWER_SECONDS if worker.answered else START_SECONDS
        return worker.waits and now - worker.asked_at > patience

    def _start(self, place: _Place, now: float) -> None:
        try:
            self.before_start()
            worker = Worker(self._config, self._sockets)
            worker.start()
        except (OSError, EOFError) as error:
            place.failed(now)
            reason = error.strerror if isinstance(error, OSError) else None
            self._say("error", "worker not started", reason=(reason or type(error).__name__).lower())
            self._give_up(place)
            return
        worker.started_at = worker.asked_at = now
        place.worker = worker

    def _bury(self, place: _Place, worker: Worker, now: float) -> None:
        worker.join()
        for end in (worker.parent_conn, worker.child_conn):
            end.close()
        place.worker = None
        lived = now - worker.started_at
        if worker.ready and lived >= _SETTLED_SECONDS:
            place.failures = 0
        place.failed(now)
        pause = round(place.not_before - now, 1)
        self._say("error", "worker died", pid=worker.pid, how=how(worker), lived=round(lived, 1), replaced_in=pause)
        self._give_up(place)

    def _give_up(self, place: _Place) -> None:
        if not self._ever_ready and place.failures >= _MOST_FAILED:
            message = f"not one worker could be started in {place.failures} tries"
            raise StoppedError(Problem("workers", message, help="the lines above say what became of each"))

    def _end(self) -> None:
        """Have all end; a second signal ends them at once."""
        self._say("info", "stopping", signal=signal.Signals(self._told.ends()[0]).name)
        # who connects from now on is refused, rather than left waiting for nobody
        for listening in self._sockets:
            listening.close()
        workers = [place.worker for place in self._places if place.worker is not None]
        for worker in workers:
            worker.end()
        deadline = time.monotonic() + self._grace
        while not all(join(worker, 0.05) for worker in workers):
            if len(self._told.ends()) > 1:
                message = "stopped at once, as it was told twice; requests under way were cut off"
                raise StoppedError(Problem("stopped", message, help="nothing that was answered is lost"))
            if time.monotonic() > deadline:
                message = f"the workers did not end within {self._grace:.0f} seconds, and were stopped"
                raise StoppedError(Problem("stopped", message, help="nothing that was answered is lost"))

    def _stop_all(self) -> None:
        for place in self._places:
            if place.worker is not None and place.worker.exitcode is None:
                place.worker.stop()
