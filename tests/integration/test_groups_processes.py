"""Processes that append groups to one ledger, killed and restarted under them: one tree, and each request once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Group, Ledger

from tests.integration.writers import Writer
from tests.postgres import Server
from tests.stores import POSTGRESQL, Store, empty_template, server_store
from tests.unit.audit.grouping import hold, shown


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server that is there to be stopped, with the settings of one that is not."""
    server = Server(fsync="on", restart_after_crash="on")
    yield server
    server.close()


def assert_once_each(ledger: Ledger, told: dict[int, str]) -> int:
    """One contiguous tree with all that was told, in which no request is on record twice; return its size."""
    report = ledger.verify()
    assert report.ok, report.problems
    entries = list(ledger.walk())
    assert told.items() <= {entry.index: entry.leaf_hash for entry in entries}.items()
    bodies = [entry.document["body"] for entry in entries]
    asked = Counter((body["by"], body["n"], body["part"]) for body in bodies if "by" in body)
    assert set(asked.values()) == {1}
    for before, after in pairwise(bodies):
        if after.get("part"):
            assert {**after, "part": after["part"] - 1} == before, "a group stands together"
    return len(entries)


@pytest.mark.disk
def test_processes_that_are_killed_leave_one_tree(store: Store) -> None:
    chance = random.Random(7)  # noqa: S311
    told: dict[int, str] = {}
    with store.open() as ledger:
        ledger.append(Draft(EntryType.HOLD))
        for _ in range(2):
            writers = [Writer(store, name, batch=8, grouped=True) for name in ("a", "b")]  # each begins where it began
            for writer in writers:
                writer.wait_for_the_first()
            time.sleep(chance.uniform(0.02, 0.2))
            for writer in writers:
                writer.kill()
            for writer in writers:
                told |= writer.told()
        if store.kind == POSTGRESQL:
            time.sleep(0.2)  # the server may still finish the commit of a writer that was killed
        assert assert_once_each(ledger, told) > 20


@pytest.mark.slow
@pytest.mark.disk
def test_a_server_that_is_killed_and_started_again_under_them(fragile: Server, tmp_path: Path) -> None:
    store = server_store(fragile, empty_template(fragile), tmp_path)
    with store.open() as ledger:
        ledger.append(Draft(EntryType.HOLD))
        writers = [Writer(store, name, batch=8, grouped=True) for name in ("a", "b")]
        for writer in writers:
            writer.wait_for_the_first()
        time.sleep(0.1)
        fragile.kill()
        fragile.start()
        lines = [len(writer.lines) for writer in writers]
        deadline = time.monotonic() + 30
        while any(len(each.lines) < seen + 20 for each, seen in zip(writers, lines, strict=True)):
            assert time.monotonic() < deadline, "both go on by themselves"
            assert all(writer.process.is_alive() for writer in writers)
            time.sleep(0.01)
        for writer in writers:
            writer.kill()
        told = writers[0].told() | writers[1].told()
        # this process's own connection died too, and nobody was refused for that
        last = ledger.append(Draft(EntryType.HOLD))
        told[last.index] = last.leaf_hash
        time.sleep(0.2)
        assert_once_each(ledger, told)


def end_sessions(store: Store) -> None:
    assert store.server is not None
    with store.server.connect() as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'policy-ledger'"
        connection.execute(f"{query} AND datname = %s", (store.database,))


def test_connections_that_died_are_replaced_and_nobody_is_refused(server_database: Store) -> None:
    with server_database.open() as ledger:
        ledger.append(hold(0))
        with ledger.snapshot(), ledger.snapshot():
            pass  # three connections are kept
        for number in range(1, 4):
            end_sessions(server_database)
            if number % 2:
                assert ledger.latest(["hold"]) == number
            assert [shown(answer) for answer in ledger.append_groups([Group([hold(number)])])] == [[number]]
        assert ledger.verify().ok


def test_a_server_that_is_gone_refuses_all_and_is_back_by_itself(fragile: Server, tmp_path: Path) -> None:
    store = server_store(fragile, empty_template(fragile), tmp_path)
    with store.open() as ledger:
        ledger.append(hold(0))
        fragile.stop()
        try:
            answers = ledger.append_groups([Group([hold(1, "a")]), Group([hold(2)])])
            assert [shown(answer) for answer in answers] == ["ledger-unreachable"] * 2
            with pytest.raises(LedgerError):
                ledger.latest(["hold"])
        finally:
            fragile.start()
        assert [shown(answer) for answer in ledger.append_groups([Group([hold(1, "a")])])] == [[1]]
