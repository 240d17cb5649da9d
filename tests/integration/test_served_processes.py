"""Several workers on one ledger, stopped and killed under load: what was answered is on record, in one tree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy_engine.access.tokens import created_draft, new_token
from policy_engine.recorder import Context
from tests.asking_servers import Clients, bodies, recorded, until, workers_of
from tests.serving import serving_process
from tests.stores import Store

pytestmark = pytest.mark.slow
CLIENTS = 16


def token_in(store: Store) -> str:
    """Put a token on record, as the first entry, and return its text."""
    text, name, digest = new_token()
    expires = datetime.now(UTC) + timedelta(days=1)
    by = Context("draft", "admin@acme.example", "asserted", {})
    with store.open() as ledger:
        ledger.append(created_draft(name, digest, "alice@acme.example", ["decide"], None, expires, by))
    return text


def options(store: Store) -> tuple[str, ...]:
    return ("--workers", "2", "--ledger-key", str(store.key))


def hold(store: Store, clients: Clients, killed: int = 0) -> None:
    """Hold what clients were answered to the ledger; of so many workers that were killed some answers are lost."""
    with store.open(read_only=True) as ledger:
        found = recorded(ledger)
        report = ledger.verify()
    assert report.ok, report
    answered = set(clients.answered)
    assert len(answered) == len(clients.answered)
    assert answered <= found
    assert len(found - answered) <= killed * CLIENTS
    assert sorted(index for index, _ in found) == list(range(1, len(found) + 1))


def test_two_servers_keep_one_tree_and_answer_what_was_asked_before_they_end(store: Store, tmp_path: Path) -> None:
    token = token_in(store)
    with ExitStack() as until_then:
        served = [
            until_then.enter_context(serving_process(store.url, *given, home=tmp_path / given[1]))
            for given in (options(store), ("--workers", "1", "--ledger-key", str(store.key)))
        ]
        clients = [Clients(server.url, token, CLIENTS // 2, bodies(8)) for server, _ in served]
        for each in clients:
            each.wait_for(40)
        for _, process in served:
            process.send_signal(signal.SIGTERM)
        for each in clients:
            each.join()
            assert (each.refused, each.cut) == ([], [])
        for _, process in served:
            assert process.wait(30) == 0
            assert process.stderr is not None
            said = process.stderr.read().decode()
            assert '"level":"error"' not in said, said
            assert said.splitlines()[-1].endswith('"event":"stopped"}')
    clients[0].answered += clients[1].answered
    hold(store, clients[0])


@pytest.mark.disk
def test_a_worker_that_is_killed_loses_nothing_that_was_answered(store: Store, tmp_path: Path) -> None:
    token = token_in(store)
    with serving_process(store.url, *options(store), home=tmp_path) as (server, process):
        clients = Clients(server.url, token, CLIENTS, bodies(8))
        clients.wait_for(40)
        before = workers_of(process.pid)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(workers_of(process.pid)) == 2 and before[0] not in workers_of(process.pid))
        clients.wait_for(40)
        clients.stop()
        assert process.poll() is None
    assert set(clients.refused) <= {503}
    assert len(clients.cut) <= CLIENTS
    hold(store, clients, killed=1)
    verified = subprocess.run(
        [sys.executable, "-m", "policy_engine", "audit", "verify", "--ledger", store.url],
        env={**os.environ, "HOME": str(tmp_path), "POLICY_LEDGER_KEY": str(store.key)},
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
