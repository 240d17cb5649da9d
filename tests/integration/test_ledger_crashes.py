"""Processes that are killed while they append, and a server that is: what was acknowledged is there, and goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from policy_audit.ledger import Draft, EntryType, Ledger

from tests.integration.writers import Writer
from tests.postgres import Server
from tests.stores import POSTGRESQL, Store, empty_template, server_store

pytestmark = [pytest.mark.slow, pytest.mark.disk]
#: How many writers at once, and how many entries each appends in one commit.
WRITERS = [(1, 1), (2, 1), (1, 40), (2, 7), (1, 300)]


def check(ledger: Ledger, told: dict[int, str]) -> dict[int, str]:
    """Hold the ledger to what was acknowledged; return what it holds."""
    stored = {entry.index: entry.leaf_hash for entry in ledger.list_entries()}
    assert sorted(stored) == list(range(len(stored)))
    assert told.items() <= stored.items(), "an acknowledged entry is lost, or another one"
    report = ledger.verify()
    assert report.ok, report.problems
    return stored


def kill(writers: list[Writer], after: float) -> dict[int, str]:
    """Kill processes some time after their first entry; return what they were told."""
    for writer in writers:
        writer.wait_for_the_first()
    time.sleep(after)
    for writer in writers:
        writer.kill()
    told: dict[int, str] = {}
    for writer in writers:
        part = writer.told()
        assert writer.process.exitcode == -signal.SIGKILL
        assert not told.keys() & part.keys(), "two were told the same index"
        told |= part
    return told


def test_nothing_acknowledged_is_lost_when_writers_are_killed(store: Store) -> None:
    chance = random.Random(11)  # noqa: S311
    told: dict[int, str] = {}
    store.open().close()
    for number in range(15):
        count, batch = WRITERS[number % len(WRITERS)]
        writers = [Writer(store, f"{number}-{writer}", batch=batch) for writer in range(count)]
        told |= kill(writers, chance.uniform(0, 0.12))
        with store.open() as ledger:
            stored = check(ledger, told)
            recorded = ledger.append(Draft(EntryType.HOLD))
            # a server may still finish the commit of a writer that was killed, after it was looked at
            assert recorded.index == len(stored) or (store.kind == POSTGRESQL and recorded.index > len(stored))
            told[recorded.index] = recorded.leaf_hash
    assert len(told) > 300


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server that is there to be killed, with the settings of one that is not."""
    server = Server(fsync="on", restart_after_crash="on")
    yield server
    server.close()


@pytest.fixture
def killable(fragile: Server, tmp_path: Path) -> Store:
    return server_store(fragile, empty_template(fragile), tmp_path)


def kill_a_backend(server: Server) -> None:
    with server.connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'policy-ledger' AND pid <> pg_backend_pid()"
        pids = [row[0] for row in connection.execute(query).fetchall()]
    os.kill(pids[0], signal.SIGKILL)


def end_all_sessions(server: Server) -> None:
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'policy-ledger'"
        )


def kill_the_server(server: Server) -> None:
    server.kill()
    server.start()


def stop_the_server(server: Server) -> None:
    server.stop()
    server.start()


@pytest.mark.parametrize("crash", [kill_a_backend, end_all_sessions, kill_the_server, stop_the_server])
@pytest.mark.parametrize("batch", [1, 25])
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    fragile: Server, killable: Store, crash: Callable[[Server], None], batch: int
) -> None:
    """Two writers live through it: each is refused, withholds, and goes on when the server is back."""
    chance = random.Random(batch)  # noqa: S311
    with killable.open() as ledger:
        ledger.append(Draft(EntryType.HOLD))
        writers = [Writer(killable, str(writer), batch=batch) for writer in range(2)]
        for writer in writers:
            writer.wait_for_the_first()
        time.sleep(chance.uniform(0.05, 0.3))
        crash(fragile)
        waited = _wait_for_growth(ledger)
        told = kill(writers, 0.05)
        stored = check(ledger, told)
        assert len(stored) > waited
        recorded = ledger.append(Draft(EntryType.HOLD))
        check(ledger, {**told, recorded.index: recorded.leaf_hash})


def _wait_for_growth(ledger: Ledger) -> int:
    """Wait until the ledger is back and writers append again; return its size when it was back."""
    from policy_audit.errors import LedgerError

    first: int | None = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            size = ledger.list_entries(limit=1)[0].index + 1
        except LedgerError as error:
            if error.code != "ledger-unreachable":
                raise
        else:
            first = size if first is None else first
            if size > first:
                return first
        time.sleep(0.02)
    raise AssertionError("no writer went on")
