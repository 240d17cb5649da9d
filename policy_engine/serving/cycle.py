"""A request's answer, written to its connection at once: uvicorn writes the head and the body one after the other.

That is two packets and two system calls, and of a head each line is looked through again, of which most are the same in
every answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from policy_engine.api.requests import WHOLE

#: What these say of a connection or a length is uvicorn's matter.
_ITS_OWN = frozenset({b"connection", b"transfer-encoding"})
_BODILESS = frozenset({204, 304})


class Cycle(RequestResponseCycle):
    """One request and its answer. INVARIANT: what is sent is what uvicorn sends, byte for byte."""

    #: A head that waits for what follows it.
    _head: Any = None

    async def run_asgi(self, app: Any) -> None:
        """Have the application answer; it is told where the body has come with the head, and need not be waited for."""
        if not self.more_body:
            scope: Any = self.scope
            scope[WHOLE] = True
        await super().run_asgi(app)

    async def send_500_response(self) -> None:
        """End an answer that failed: one whose head was given has no other any more, and its connection is closed."""
        head, self._head = self._head, None
        if head is None:
            await super().send_500_response()
            return
        await super().send(head)
        self.transport.close()

    async def send(self, message: Any) -> None:
        """Send a part of the answer: the head together with what follows it."""
        head = self._head
        if head is None:
            if message["type"] == "http.response.start" and not self.response_started:
                self._head = message
            else:
                await super().send(message)
            return
        self._head = None
        whole = None if self.flow.write_paused or self.disconnected else self._whole(head, message)
        if whole is None:
            await super().send(head)
            await super().send(message)
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(whole)
        self.message_event.set()
        self.on_response()

    def _whole(self, head: Any, message: Any) -> bytes | None:
        """Return a whole answer with its length; None where it is anything else, and uvicorn's matter."""
        status, body = head["status"], message.get("body", b"")
        if (
            message["type"] != "http.response.body"
            or message.get("more_body", False)
            or not self.keep_alive
            or self.scope["method"] == "HEAD"
            or status in _BODILESS
        ):
            return None
        lines, length = [STATUS_LINE[status]], None
        for given, value in (*self.default_headers, *head.get("headers", ())):
            name, line = _line(given, value)
            if name in _ITS_OWN:
                return None
            if name == b"content-length" and length is None:
                length = value
            lines.append(line)
        if length != b"%d" % len(body):
            return None
        return b"".join((*lines, b"\r\n", body))


@lru_cache(256)
def _line(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a header's name in small letters, and its line.

    Raises:
        RuntimeError: it would be more than that.
    """
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("invalid HTTP header")
    name = name.lower()
    return name, b"%b: %b\r\n" % (name, value)
