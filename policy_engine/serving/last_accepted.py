"""The end of listening: who connected before it is answered, too.

A connection waits in the kernel until somebody accepts it, and is reset where the socket is closed before that. Its
client cannot know whether its request was decided.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import uvicorn


class Server(uvicorn.Server):
    """A worker's server."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take those who wait, stop listening, and answer what is under way."""
        waiting = _accept_all(sockets or [])
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
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
            connection.setblocking(False)
            found.append(connection)
    return found
