"""A worker's server: it takes connections by `accepting`, and at its end answers who connected before it, too.

A connection waits in the kernel until somebody accepts it, and is reset where the socket is closed before that. Its
client cannot know whether its request was decided.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import uvicorn

from policy_engine.serving.accepting import Acceptor, Board, begin


class Server(uvicorn.Server):
    """A worker's server."""

    _acceptors: Sequence[Acceptor] = ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and take connections from `sockets`."""
        await super().startup(None if sockets is None else [])
        board: Board = self.config.loaded_app.state.board
        self._acceptors = [Acceptor(each, self._protocol, board) for each in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take those who wait, stop listening, and answer what is under way."""
        for acceptor in self._acceptors:
            await acceptor.finish()
        waiting = _accept_all(sockets or [])
        for server in self.servers:
            server.close()
        for connection in waiting:
            await begin(connection, self._protocol)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        config = self.config
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _accept_all(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    found = []
    for listening in sockets:
        listening.setblocking(False)
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # nobody waits any more
                break
            found.append(connection)
    return found
