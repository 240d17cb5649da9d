"""Answers on the wire: what is written at once is what uvicorn writes, byte for byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from policy_engine.serving.cycle import Cycle
from tests import looping

Message = dict[str, Any]
DEFAULT = [(b"date", b"Sun, 29 Nov 2026 00:00:00 GMT")]


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def length(number: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % number


class Transport:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def answered(
    kind: type[RequestResponseCycle],
    messages: Sequence[Message],
    *,
    method: str = "GET",
    keep_alive: bool = True,
    default: Sequence[tuple[bytes, bytes]] = DEFAULT,
    then: Callable[[RequestResponseCycle], Awaitable[None]] | None = None,
) -> tuple[bytes, int, bool, bool, bool, str]:
    """Return the bytes, in how many pieces, whether it closed, is complete, and told so, and the error of the last."""
    told: list[bool] = []

    async def doing() -> tuple[bytes, int, bool, bool, bool, str]:
        transport: Any = Transport()
        cycle = kind(
            scope={"type": "http", "method": method, "headers": [], "http_version": "1.1"},  # type: ignore[typeddict-item]
            transport=transport,
            flow=FlowControl(transport),
            logger=logging.getLogger("nobody"),
            access_logger=None,  # type: ignore[arg-type]
            access_log=False,
            default_headers=list(default),
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: told.append(True),
        )
        error = ""
        try:
            for message in messages:
                await cycle.send(message)  # type: ignore[arg-type]
            if then is not None:
                await then(cycle)
        except RuntimeError as caught:
            error = str(caught)
        written = b"".join(transport.written)
        return written, len(transport.written), transport.closed, cycle.response_complete, bool(told), error

    return looping.run(doing())


JSON = (b"content-type", b"application/json")
CASES: dict[str, tuple[list[Message], dict[str, Any]]] = {
    "whole": ([start(200, JSON, length(3)), body(b"abc")], {}),
    "capitals in names": ([start(200, (b"X-Request-ID", b"Abc"), length(0)), body()], {}),
    "no length": ([start(200, JSON), body(b"abc")], {}),
    "in parts": ([start(200, length(4)), body(b"ab", True), body(b"cd")], {}),
    "in chunks": ([start(200), body(b"ab", True), body(b"cd", True), body()], {}),
    "no content": ([start(204), body()], {}),
    "not modified": ([start(304), body()], {}),
    "HEAD": ([start(200, length(3)), body()], {"method": "HEAD"}),
    "last of its connection": ([start(200, length(1)), body(b"x")], {"keep_alive": False}),
    "it says close": ([start(200, (b"connection", b"close"), length(1)), body(b"x")], {}),
    "the server says close": ([start(200, length(1)), body(b"x")], {"default": [*DEFAULT, (b"connection", b"close")]}),
    "chunked, as it says": ([start(200, (b"transfer-encoding", b"chunked")), body(b"x")], {}),
    "capitals in what it says of itself": (
        [start(200, (b"Connection", b"Close"), (b"Content-Length", b"1")), body(b"x")],
        {},
    ),
    "two lengths": ([start(200, length(9), length(1)), body(b"x")], {}),
    "too long": ([start(200, length(1)), body(b"xy")], {}),
    "too short": ([start(200, length(3)), body(b"xy")], {}),
    "body first": ([body(b"x")], {}),
    "start twice": ([start(200, length(1)), start(200, length(1))], {}),
    "after the end": ([start(200, length(1)), body(b"x"), body(b"y")], {}),
    "a header more": ([start(200, (b"x-a", b"b\r\nset-cookie: c=d"), length(0)), body()], {}),
    "a name that is none": ([start(200, (b"x a", b"b"), length(0)), body()], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_bytes_and_the_same_end(name: str) -> None:
    messages, given = CASES[name]
    ours, theirs = (answered(kind, messages, **given) for kind in (Cycle, RequestResponseCycle))
    assert ours[0] == theirs[0]
    assert ours[2:5] == theirs[2:5]
    assert bool(ours[5]) == bool(theirs[5])


def test_a_whole_answer_is_one_piece() -> None:
    assert answered(Cycle, CASES["whole"][0])[1] == 1
    assert answered(RequestResponseCycle, CASES["whole"][0])[1] == 2


def test_a_header_that_was_refused_once_is_refused_again() -> None:
    messages, _ = CASES["a header more"]
    assert all(answered(Cycle, messages)[5] == "invalid HTTP header" for _ in range(2))


@pytest.mark.parametrize("whole", [[], [start(200, length(5))], [start(200, length(5)), body(b"ab", True)]])
@pytest.mark.parametrize("fails", [True, False])
def test_an_answer_that_fails_ends_as_uvicorn_ends_it(whole: list[Message], fails: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in whole:
            await send(message)
        if fails:
            raise ValueError("on purpose")

    ours, theirs = (
        answered(kind, [], then=lambda cycle: cycle.run_asgi(app)) for kind in (Cycle, RequestResponseCycle)
    )
    assert (ours[0], ours[2:]) == (theirs[0], theirs[2:])
    assert ours[2], "its connection is closed"


def test_a_head_without_anything_after_it_is_no_answer() -> None:
    assert answered(Cycle, [start(200, length(1))])[:4] == (b"", 0, False, False)
