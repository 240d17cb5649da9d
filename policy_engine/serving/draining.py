"""The end of a worker's connections: a request that is on its way when the worker is told to stop is still answered.

uvicorn closes idle connections at once, and a client that sends its next request at that moment finds the connection
reset, and cannot know whether it was decided. Here each connection has a moment for one more request, and every answer
from then on says `Connection: close`.
"""

from __future__ import annotations

from policy_engine.serving.protocol import Protocol

LAST_REQUEST_SECONDS = 1.0
_CLOSE = (b"connection", b"close")


class DrainingProtocol(Protocol):
    """One connection."""

    def shutdown(self) -> None:
        """Answer what is under way and what comes next, and then close."""
        state = self.server_state
        if _CLOSE not in state.default_headers:
            state.default_headers = [*state.default_headers, _CLOSE]
        if self._is_idle():
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete
