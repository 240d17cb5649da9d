"""Readers of a server that does not answer: behind somebody's lock, and behind a connection that has gone silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from policy_audit import server as pg
from policy_audit import server_silence
from policy_audit.errors import LedgerError
from policy_audit.ledger import Ledger, open_ledger

from tests.integration.tampering import decision
from tests.postgres import OWNER
from tests.stores import Store


class Relay:
    """A server's socket at another place, which can be told to pass nothing on any more."""

    def __init__(self, folder: Path, target: str) -> None:
        self.silent = threading.Event()
        self._target, self._open = target, list[socket.socket]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / Path(target).name))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self.silent.is_set():
                    sink.sendall(data)
            if not self.silent.is_set():
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def relay(on_server: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Relay, str]]:
    """The relay, and the URL of the ledger behind it."""
    assert on_server.server is not None
    folder = tmp_path_factory.mktemp("r")
    made = Relay(folder, f"{on_server.server.folder}/.s.PGSQL.{on_server.server.port}")
    yield (
        made,
        f"postgresql+psycopg://{OWNER}@:{on_server.server.port}/{on_server.database}?host={folder}&connect_timeout=2",
    )
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_silence, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(server_silence, "ANSWER_SECONDS", 2.0)


@pytest.mark.parametrize("table", ["log_entry", "alembic_version", "tag"])
def test_a_reader_behind_a_lock_gives_up(on_server: Store, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg, "READ_LOCK_SECONDS", 0.5)
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(LedgerError) as caught:
                ledger.verify()
            assert (caught.value.code, bool(caught.value.help)) == ("ledger-locked", True)
        assert ledger.verify().ok, "the lock is gone"


def test_what_a_role_sets_does_not_bound_a_reader(on_server: Store) -> None:
    with on_server.connection() as connection:
        connection.execute(f"ALTER DATABASE {on_server.database} SET statement_timeout = 1")
    with on_server.open(read_only=True) as ledger:
        assert ledger.verify().ok


def test_a_server_that_falls_silent_is_given_up(on_server: Store, relay: tuple[Relay, str], impatient: None) -> None:
    between, url = relay
    with open_ledger(url, key_path=on_server.key) as ledger:
        assert ledger.append(decision(11)).index == 11
        between.silent.set()
        for ask in (ledger.list_entries, ledger.verify, lambda: ledger.append(decision(12))):
            with pytest.raises(LedgerError) as caught:
                ask()
            assert caught.value.code == "ledger-unreachable"
            assert "password" not in caught.value.message
        between.silent.clear()
        assert ledger.verify().entries == 12, "it is there again, and so is the ledger"


def test_it_falls_silent_within_a_transaction(on_server: Store, relay: tuple[Relay, str], impatient: None) -> None:
    between, url = relay

    def count(ledger: Ledger) -> None:
        with ledger.snapshot() as connection:
            between.silent.set()
            connection.exec_driver_sql("SELECT count(*) FROM log_entry")

    with open_ledger(url, key_path=on_server.key, read_only=True) as ledger:
        with pytest.raises(LedgerError) as caught:
            count(ledger)
        assert caught.value.code == "ledger-unreachable"
        assert "stopped answering" in caught.value.message


def test_a_statement_that_takes_its_time_is_waited_for(on_server: Store, impatient: None) -> None:
    with on_server.open(read_only=True) as ledger, ledger.snapshot() as connection:
        assert connection.exec_driver_sql("SELECT 7 FROM pg_sleep(1.5)").scalar_one() == 7
