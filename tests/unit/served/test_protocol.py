"""Connections that are slow, endless, pipelined or not read from: each ends, and no other waits for it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_engine.service.settings import Limits
from tests.serving import WORKLOAD, Server, serving
from tests.unit.served.raw import connect, exchange, statuses, until_closed

QUICK = Limits(
    head_seconds=0.4, linger_seconds=0.3, body_seconds=0.4, stalled_seconds=0.5, connections=12, body_bytes=4096
)
GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}", limits=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.token("decide")


def post(token: str, *lines: str, body: bytes = b"") -> bytes:
    head = [
        "POST /v1/decisions HTTP/1.1",
        "Host: a",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def gone(doing: Callable[[], object], times: int) -> bool:
    """Whether the server ends a connection while something is done over and over."""
    for _ in range(times):
        try:
            doing()
        except OSError:
            return True
    return False


def timed(server: Server, sent: bytes) -> tuple[list[int], float]:
    began = time.monotonic()
    return statuses(exchange(server.url, sent)), time.monotonic() - began


def test_who_sends_nothing_or_half_a_head_is_let_go(server: Server) -> None:
    assert timed(server, b"")[0] == []
    for half in (b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y", b"\r\n\r\n"):
        found, seconds = timed(server, half)
        assert found in ([408], [])
        assert 0.3 < seconds < 4


def test_a_head_that_trickles_is_let_go_though_something_always_comes(server: Server) -> None:
    with connect(server.url) as connection:
        began = time.monotonic()
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        assert gone(lambda: (connection.sendall(b"X: y\r\n"), time.sleep(0.05)), 60)
        assert time.monotonic() - began < 3


def test_a_second_head_that_trickles_is_let_go_too(server: Server) -> None:
    with connect(server.url) as connection:
        connection.sendall(GET)
        assert statuses(connection.recv(65536)) == [200]
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert statuses(until_closed(connection)) == [408]


@pytest.mark.parametrize(
    "sent",
    [b"GET /" + b"a" * 70_000, b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 9000],
)
def test_a_head_without_end_is_refused_while_it_comes(server: Server, sent: bytes) -> None:
    assert statuses(exchange(server.url, sent)) in ([431], [400])


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (("Content-Length: 50",), b"{", 408),
        (("Transfer-Encoding: chunked",), b"2\r\n{}\r\n", 408),
        (("Transfer-Encoding: chunked",), b"1" + b";x" * 4000, 408),
        (("Transfer-Encoding: chunked",), b"zz\r\n", 400),
        (("Content-Length: 99999",), b"", 413),
        (("Transfer-Encoding: chunked",), b"2000\r\n" + b" " * 0x2000 + b"\r\n", 413),
        (("Content-Length: 99999", "Expect: 100-continue"), b"", 413),
    ],
)
def test_a_body_without_end_or_too_large_is_answered_and_closed(
    server: Server, token: str, lines: tuple[str, ...], body: bytes, status: int
) -> None:
    found, seconds = timed(server, post(token, *lines, body=body))
    assert found == [status]
    assert seconds < 4


def test_nobody_known_is_refused_before_the_body_and_cannot_send_on_for_ever(server: Server, token: str) -> None:
    with connect(server.url) as connection:
        connection.sendall(post("wrong", "Transfer-Encoding: chunked"))
        assert statuses(connection.recv(65536)) == [401]
        began, piece = time.monotonic(), b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"
        assert gone(lambda: connection.sendall(piece), 2000)
        assert time.monotonic() - began < 5


def test_a_body_is_asked_for_only_once_who_sends_it_is_known(server: Server, token: str) -> None:
    expecting = ("Content-Length: 2", "Expect: 100-continue")
    assert b" 100 " not in exchange(server.url, post("wrong", *expecting))
    with connect(server.url) as connection:
        connection.sendall(post(token, *expecting, "Connection: close"))
        assert statuses(connection.recv(65536)) == [100]
        connection.sendall(b"{}")
        assert statuses(until_closed(connection)) == [422]


def test_what_the_protocol_refuses_is_counted(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert server.service is not None

    def refused() -> dict[str, float]:
        assert server.service is not None
        counted = server.service.meter.take().counters.get("policy_http_requests", {})
        return {status: value for (route, method, status), value in counted.items() if method == "other"}

    before = refused()
    hello = bytes.fromhex("16030100c4010000c0030300") + bytes(180)
    for sent, status in ((b"no http\r\n\r\n", 400), (hello, 400), (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000, 431)):
        assert statuses(exchange(server.url, sent)) == [status]
    after = refused()
    assert {status: after[status] - before.get(status, 0) for status in ("400", "431")} == {"400": 2, "431": 1}
    assert not [each for each in caplog.records if "Invalid HTTP" in each.getMessage()]


def test_what_trailers_say_is_no_header(server: Server) -> None:
    sent = (
        b"POST /v1/decisions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    )
    assert b"token-missing" in exchange(server.url, sent)


def test_requests_that_come_at_once_are_answered_in_their_order(server: Server) -> None:
    assert statuses(exchange(server.url, GET * 10 + LAST)) == [200] * 11
    mixed = GET + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + LAST
    assert statuses(exchange(server.url, mixed)) == [200, 404, 200]
    # and a thousand at once are not held for whoever sent them
    assert len(statuses(exchange(server.url, GET * 1000 + LAST))) <= 1001


def test_a_smuggled_request_is_the_body_that_it_is(server: Server, token: str) -> None:
    inner = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = post(token, f"Content-Length: {len(inner)}", body=inner) + LAST
    assert statuses(exchange(server.url, sent)) == [422, 200]


def test_a_wish_for_http_2_is_answered_in_http_1(server: Server, token: str) -> None:
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    answer = exchange(server.url, post(token, *wish, "Content-Length: 2", body=b"{}"))
    assert statuses(answer) == [422]
    socket_wish = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert statuses(exchange(server.url, socket_wish)) == [200]


def test_idle_connections_make_room_and_others_are_still_answered(server: Server) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(30):
            each = connect(server.url)
            each.sendall(GET)
            assert statuses(each.recv(65536)) == [200]
            held.append(each)
        assert statuses(exchange(server.url, LAST)) == [200]
    finally:
        for each in held:
            each.close()


def test_who_takes_no_answer_is_let_go(server: Server) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        parts: Any = server.url.removeprefix("http://").split(":")
        connection.connect((parts[0], int(parts[1])))
        connection.settimeout(0.2)
        began = time.monotonic()

        def ask() -> None:
            with contextlib.suppress(TimeoutError):
                connection.send(GET * 60)
            time.sleep(0.002)

        assert gone(ask, 4000)
        assert time.monotonic() - began < 7


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_make_it_fail(server: Server, token: str, data: st.DataObject) -> None:
    """A good request, with pieces taken out, doubled and replaced: answered, refused or closed, and never 500.

    After it comes one that ends the connection, which is otherwise waited for where `Connection` was hit.
    """
    good = post(token, "Content-Length: 2", "Connection: close", body=b"{}")
    sent = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sent)))
        sent[at : at + data.draw(st.integers(0, 6))] = data.draw(
            st.sampled_from(
                [b"", b"\r\n", b"\0", b"\r", b"\n", b":", b" ", b"\xff", b"\r\n\r\n", b"%00", b"{", b"9" * 20]
            )
            | st.binary(max_size=4)
        )
    assert all(status < 500 for status in statuses(exchange(server.url, bytes(sent) + LAST)))


def test_who_asks_and_ends_their_side_is_answered(server: Server, token: str) -> None:
    body = json.dumps(WORKLOAD).encode()
    with connect(server.url) as connection:
        connection.sendall(post(token, f"Content-Length: {len(body)}", body=body))
        connection.shutdown(socket.SHUT_WR)
        answer = until_closed(connection)
    assert statuses(answer) == [200]


def test_who_asks_several_things_at_once_and_ends_is_answered_all(server: Server) -> None:
    with connect(server.url) as connection:
        connection.sendall(GET * 4)
        connection.shutdown(socket.SHUT_WR)
        assert statuses(until_closed(connection)) == [200] * 4


def test_who_ends_their_side_within_a_request_is_not_waited_for(server: Server, token: str) -> None:
    began = time.monotonic()
    with connect(server.url) as connection:
        connection.sendall(post(token, "Content-Length: 900", body=b"{"))
        connection.shutdown(socket.SHUT_WR)
        answer = until_closed(connection)
    assert statuses(answer) == []
    assert time.monotonic() - began < 0.35  # and not for as long as a body may take
