"""A worker's process, as its supervisor sees it, and what is started in it."""

from __future__ import annotations

import contextlib
import os
import signal
from socket import socket

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Process

from policy_engine.serving.worker_server import Server


class Worker(Process):
    """One process. It answers its supervisor's questions, and ends when that has gone."""

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        #: When it was started, asked last, and answered last, by the monotonic clock in seconds.
        self.started_at = self.asked_at = self.answered_at = 0.0
        self.waits = self.answered = self.ready = False

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve; runs in the new process."""
        # a terminal that closes, or a `kill -HUP` of the whole group, is the supervisor's matter
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # this process has the supervisor's end, too, and would not see that it is closed
        self.parent_conn.close()
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer, until the supervisor is gone: then end as it would have asked for."""
        with contextlib.suppress(OSError, EOFError):
            super().always_pong()
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def server(self) -> Server:
        """What serves in the new process."""
        if self._server is None:
            self._server = Server(self.config)
        assert isinstance(self._server, Server)  # noqa: S101 - nobody else sets it
        return self._server

    def ask(self, now: float) -> None:
        """Ask whether it is there."""
        self.waits, self.asked_at = True, now
        with contextlib.suppress(OSError):
            self.parent_conn.send(b"ping")

    def hear(self, now: float) -> None:
        """Take its answer, where there is one."""
        with contextlib.suppress(OSError, EOFError):
            while self.parent_conn.poll(0):
                self.ready = bool(self.parent_conn.recv())
                self.waits, self.answered, self.answered_at = False, True, now

    def end(self) -> None:
        """Have it finish what it accepted, and end."""
        with contextlib.suppress(OSError):
            self.terminate()

    def stop(self) -> None:
        """End it now."""
        with contextlib.suppress(OSError):
            self.kill()
        self.join()


def join(worker: Worker, seconds: float) -> bool:
    """Wait for its end; return whether it has ended."""
    worker.process.join(max(seconds, 0))
    return worker.exitcode is not None


def how(worker: Worker) -> str:
    """Say how a worker ended."""
    code = worker.exitcode
    if code is None or code >= 0:
        return f"exit status {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
