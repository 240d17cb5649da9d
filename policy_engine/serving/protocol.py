"""HTTP/1.1 with the limits that uvicorn has not: on heads, on how long they take, and on who takes no answer.

uvicorn limits neither a head's size nor its time, keeps what trailers say among the headers of a request that is being
handled, reads on for ever what comes after an answer, and waits for ever for a client that reads none.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from policy_engine.service.settings import Settings
from policy_engine.serving.accepting import Board
from policy_engine.serving.cycle import Cycle
from policy_engine.serving.headers import refusal, security_headers
from policy_engine.serving.refusals import Refusals

#: So much of a body is still read when its request is answered, so that the answer arrives before the end.
_LINGER_BYTES = 4 << 20
_MOST_PIPELINED = 64
#: uvicorn's warnings of what is no HTTP would be a line for each, without a status: `Refusals` says it.
_LOG = logging.getLogger("policy_engine.serving.protocol")
_LOG.setLevel(logging.ERROR)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # of the application: the class itself has to reach other processes as a name
        settings: Settings = self.app.state.service.settings
        self.limits, self._behind_tls = settings.limits, settings.behind_tls
        self._refusals: Refusals = self.app.state.refusals
        self._board: Board = self.app.state.board
        self.logger = _LOG
        self._head, self._in_head, self._after = 0, True, 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._too_large = self._ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._board.tell(len(self.connections))
        if len(self.connections) > self.limits.connections and not self._make_room():
            transport.abort()
            return
        self._watch_head()

    def _make_room(self) -> bool:
        """Close a connection over which nothing is asked; return whether there is one."""
        for each in self.connections:
            if isinstance(each, Protocol) and each.timeout_keep_alive_task is not None:
                each.timeout_keep_alive_handler()
                return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._linger_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._board.tell(len(self.connections))

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            if self._head > self.limits.head_bytes:
                self._refuse(431, "headers-too-large", f"the head has more than {self.limits.head_bytes:,} bytes")
            elif self._head and self._head_timer is None:
                self._watch_head()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked whole, also where nothing more will be asked; then, or else, close."""
        cycle = self.cycle
        self._ended = cycle is not None and not cycle.response_complete and not cycle.more_body
        return self._ended

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # what this piece of data holds of a message before belongs to that one
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: it says nothing of a request that is being handled
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.head_bytes:
            self._too_large = True
            raise ValueError("head too large")
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise ValueError("too much at once")
        super().on_headers_complete()
        if self.parser.should_upgrade() and self.cycle is not None:
            self.cycle.keep_alive = False  # nothing else is spoken here, and the parser reads no further request
        self._in_head, self._head = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Cycle  # uvicorn makes it, and lets nobody say which
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._after += len(body)
            if self._after > _LINGER_BYTES:
                self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head, self._after = True, 0, 0
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None

    def on_response_complete(self) -> None:
        unread = self.cycle.response_complete and self.cycle.more_body
        last = not self.pipeline
        super().on_response_complete()
        if self._ended and last:
            self.transport.close()
        if unread and not self.transport.is_closing() and self._linger_timer is None:
            self._linger_timer = self.loop.call_later(self.limits.linger_seconds, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse(431, "headers-too-large", f"the head has more than {self.limits.head_bytes:,} bytes")
        else:
            self._refuse(400, "http", "the request is not valid HTTP/1.1")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: clients that would rather speak HTTP/2 ask for it in every request."""

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._head:
            self._refuse(408, "request-timeout", "the head did not come in time")
        elif self.cycle is None:
            self.transport.close()  # nothing ever came

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer before any route does, and close; within another's answer, or before its turn, only close."""
        cycle = self.cycle
        if self.pipeline or (cycle is not None and cycle.response_started and not cycle.response_complete):
            self.transport.close()
            return
        self._refusals.note(status, code)
        title = HTTPStatus(status).phrase
        body = refusal(status, title, code, detail)
        lines = [f"HTTP/1.1 {status} {title}".encode()]
        given = [*self.server_state.default_headers, *security_headers(self._behind_tls)]
        lines += [name + b": " + value for name, value in given]
        lines += [b"content-type: application/problem+json", b"content-length: %d" % len(body), b"connection: close"]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()
