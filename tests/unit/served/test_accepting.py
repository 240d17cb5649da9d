"""Workers on one socket share out connections, and take all of them where another does not come."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from policy_engine.serving.accepting import Acceptor, Board
from tests.looping import run


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        found.listen(100)
        yield found


class Worker(asyncio.Protocol):
    """What a worker does with a connection: it keeps it, and says how many it has."""

    def __init__(self, board: Board, open_ones: set[asyncio.BaseTransport]) -> None:
        self._board, self._open = board, open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._open.add(transport)
        self._board.tell(len(self._open))

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)
        self._board.tell(len(self._open))


class Host:
    """Workers in one event loop, each with a copy of the listening socket, as processes have."""

    def __init__(self, stack: ExitStack, listening: socket.socket, boards: list[Board]) -> None:
        self.opened: list[set[asyncio.BaseTransport]] = [set() for _ in boards]
        self.acceptors = []
        for board, kept in zip(boards, self.opened, strict=True):
            copy = stack.enter_context(closing(listening.dup()))
            self.acceptors.append(Acceptor(copy, lambda board=board, kept=kept: Worker(board, kept), board))
            stack.callback(self.acceptors[-1].stop)

    def counts(self) -> list[int]:
        return [len(each) for each in self.opened]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while sum(self.counts()) < count:
                await asyncio.sleep(0.001)


def clients(stack: ExitStack, listening: socket.socket, count: int) -> None:
    for _ in range(count):
        stack.enter_context(closing(socket.create_connection(listening.getsockname())))


def boards(path: Path | None, count: int) -> list[Board]:
    return [Board(path, number, count) for number in range(count)]


def test_clients_who_stay_are_shared_out(listening: socket.socket, tmp_path: Path) -> None:
    async def check() -> None:
        with ExitStack() as stack:
            clients(stack, listening, 24)  # all wait before anybody takes one
            host = Host(stack, listening, boards(tmp_path / "connections", 3))
            await host.until(24)
            assert max(host.counts()) - min(host.counts()) <= 2, host.counts()

    run(check())


def test_one_takes_all_where_the_other_does_not_come(listening: socket.socket, tmp_path: Path) -> None:
    async def check() -> None:
        with ExitStack() as stack:
            host = Host(stack, listening, boards(tmp_path / "connections", 2))
            host.acceptors[1].stop()
            clients(stack, listening, 12)
            await host.until(12)
            assert host.counts() == [12, 0]

    run(check())


def test_without_a_descriptor_it_waits_and_goes_on(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("policy_engine.serving.accepting.FULL_SECONDS", 0.05)

    class Full(socket.socket):
        left = 3

        def accept(self) -> tuple[socket.socket, object]:
            if Full.left:
                Full.left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def check() -> None:
        full = Full(fileno=listening.dup().detach())
        with ExitStack() as stack:
            stack.enter_context(closing(full))
            clients(stack, listening, 2)
            host = Host(stack, full, [])
            kept: set[asyncio.BaseTransport] = set()
            host.opened.append(kept)
            board = Board(None, 0, 1)
            acceptor = Acceptor(full, lambda: Worker(board, kept), board)
            stack.callback(acceptor.stop)
            await host.until(2)

    run(check())
    assert [each.message for each in caplog.records] == ["no connection can be taken: too many open files"] * 3


def test_a_board_is_read_by_all_and_a_new_worker_begins_at_nothing(tmp_path: Path) -> None:
    path = tmp_path / "connections"
    one, two = boards(path, 2)
    one.tell(3)
    assert (one.has_more(), two.has_more()) == (True, False)
    two.tell(3)
    assert not one.has_more()
    assert Board(path, 0, 2).has_more() is False
    late = Board(path, 5, 2)  # more workers than were meant: one was replaced while it still ended
    late.tell(100)
    assert late.has_more()
    assert not Board(None, 0, 1).has_more()


def test_many_connections_may_differ_by_a_part(tmp_path: Path) -> None:
    one, two = boards(tmp_path / "connections", 2)
    two.tell(1000)
    one.tell(1051)
    assert not one.has_more()
    one.tell(1052)
    assert one.has_more()


def test_what_was_taken_before_the_end_is_somebodys(listening: socket.socket) -> None:
    async def check() -> None:
        with ExitStack() as stack:
            host = Host(stack, listening, boards(None, 1))
            clients(stack, listening, 5)
            while host.acceptors[0]._beginning == set():
                await asyncio.sleep(0)
            taken = sum(host.counts()) + len(host.acceptors[0]._beginning)
            await host.acceptors[0].finish()
            assert sum(host.counts()) == taken

    run(check())
