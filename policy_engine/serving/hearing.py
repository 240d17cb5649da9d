"""What the first process is told by signals: to end (SIGTERM, SIGINT), and to reload the rules (SIGHUP).

It hears from its first step on, and acts when it comes to it: so no signal ends a start half-way, and none is lost to
process 1 of a container, for which the kernel drops what nobody handles.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_ENDS = (signal.SIGTERM, signal.SIGINT)
_TICK_SECONDS = 0.1


class Told:
    """What came until now. Asked by the main thread alone."""

    def __init__(self) -> None:
        self._heard: SimpleQueue[int] = SimpleQueue()
        self._ends: list[int] = []
        self._reload = False
        self.woken, self._waking = socket.socketpair()
        for end in (self.woken, self._waking):
            end.setblocking(False)

    def ends(self) -> list[int]:
        """Return the signals to end, in their order."""
        self._take()
        return self._ends

    def reload(self) -> bool:
        """Whether it was told to reload since this was asked last; however often, it is once."""
        self._take()
        asked, self._reload = self._reload, False
        return asked

    def rest(self) -> None:
        """Have `woken` be readable when the next signal comes."""
        with suppress(BlockingIOError):
            self.woken.recv(4096)

    def _take(self) -> None:
        # no more than stand there: in a storm another one comes with each turn
        for _ in range(self._heard.qsize()):
            number = self._heard.get()
            if number == signal.SIGHUP:
                self._reload = True
            else:
                self._ends.append(number)

    @contextmanager
    def _hears(self) -> Iterator[None]:
        # INVARIANT: the handler is no function of Python's. Such a one can be interrupted by the next signal before its
        # first line, that one again, and so on until the stack is full; and what it calls may wait for a lock that
        # whoever was interrupted holds
        handler: Any = self._heard.put
        before = signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        handlers = {each: signal.signal(each, handler) for each in (*_ENDS, signal.SIGHUP)}
        try:
            yield
        finally:
            for each, earlier in handlers.items():
                signal.signal(each, earlier)
            signal.set_wakeup_fd(before)

    def _close(self) -> None:
        self.woken.close()
        self._waking.close()


_told: Told | None = None


@contextmanager
def hearing() -> Iterator[Told]:
    """Hear until the block ends; a block within another hears what that one heard. A thread gets no signals."""
    global _told  # noqa: PLW0603 - a process has one set of handlers
    if _told is not None:
        yield _told
        return
    told = Told()
    try:
        if threading.current_thread() is not threading.main_thread():
            yield told
            return
        _told = told
        with told._hears():
            yield told
    finally:
        _told = None if _told is told else _told
        told._close()


def unless_ended(work: Callable[[], T], told: Told, seconds: float) -> T | None:
    """Return what `work` returns; None where it is not done `seconds` after the process was told to end.

    It is done in a thread: a folder that does not answer would hold the end up, too.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, name="start", daemon=True).start()
    deadline: float | None = None
    while not wait([done], _TICK_SECONDS).done:
        if told.ends():
            deadline = deadline or time.monotonic() + seconds
            if time.monotonic() > deadline:
                return None
    return done.result()
