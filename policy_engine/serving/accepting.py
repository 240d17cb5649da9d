"""Connections taken one by one, by the worker that has the fewest.

All workers listen on one socket. Whoever comes first would take all that wait there: of sixteen clients that keep their
connections one worker may get every one, and the other processors idle. A worker that has more than another lets it
have a moment, and takes the connection where it does not come.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

_LOG = logging.getLogger("policy_engine.serving")
#: So long a worker with more connections leaves a new one to the others; so long nothing is taken without a descriptor.
LEFT_SECONDS, FULL_SECONDS = 0.002, 1.0
#: So many more than another has are no more: a part of them, and one.
_PART = 20
_BYTES = 4


class Board:
    """How many connections each of `workers` has: each writes its own number, and reads all.

    It is a hint. What a worker left there that died is taken over by the next one in its place.
    """

    def __init__(self, path: Path | None, number: int, workers: int) -> None:
        size = _BYTES * max(workers, number + 1)
        if path is None:
            self._counts = memoryview(bytearray(size)).cast("i")
        else:
            path.touch(mode=0o600)
            with path.open("r+b") as file:
                if path.stat().st_size < size:
                    file.truncate(size)
                self._counts = memoryview(mmap(file.fileno(), size)).cast("i")
        self._number = number
        self.tell(0)

    def tell(self, count: int) -> None:
        """Say how many connections this worker has."""
        self._counts[self._number] = count

    def has_more(self) -> bool:
        """Whether another worker has clearly fewer."""
        least = min(self._counts)
        return self._counts[self._number] > least + least // _PART + 1


class Acceptor:
    """Takes connections from one listening socket."""

    def __init__(self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol], board: Board) -> None:
        self._listening, self._protocol, self._board = listening, protocol, board
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left = False
        self._beginning: set[asyncio.Task[object]] = set()
        listening.setblocking(False)
        self._listen()

    async def finish(self) -> None:
        """Take no more, and return once what was taken is somebody's."""
        self.stop()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def stop(self) -> None:
        """Take no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listening)

    def _listen(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listening, self._take)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._timer = self._loop.call_later(seconds, self._listen)

    def _take(self) -> None:
        if not self._left and self._board.has_more():
            self._left = True
            self._pause(LEFT_SECONDS)
            return
        self._left = False
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was there first, or the client left
        except OSError as error:
            _LOG.error("no connection can be taken: %s", (error.strerror or str(error)).lower())
            self._pause(FULL_SECONDS)
            return
        task = self._loop.create_task(begin(connection, self._protocol))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)


async def begin(connection: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
    """Have `protocol` speak on a connection that was taken."""
    connection.setblocking(False)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
