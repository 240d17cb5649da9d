"""A server that does not let in, does not answer, is full or read-only: refused, and the ledger stays valid."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from policy_audit import database, grants, migrate
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Ledger, Recorded, open_ledger
from sqlalchemy.exc import SQLAlchemyError

from tests.integration.place import Place, refused
from tests.integration.tampering import decision
from tests.postgres import Server
from tests.stores import Store, empty_template, server_store

HOLD = Draft(EntryType.HOLD)
SECRET = "hunter2 in the open"


def big(number: int) -> Draft:
    return Draft(EntryType.HOLD, body={"n": number}, blobs={"big": os.urandom(40_000)})


def tcp(server: Server, user: str, secret: str, name: str, port: int | None = None, more: str = "") -> str:
    secret = f":{secret.replace(' ', '%20')}" if secret else ""
    return f"postgresql+psycopg://{user}{secret}@127.0.0.1:{port or server.port}/{name}?{more}"


@pytest.fixture(scope="session")
def known(server: Server) -> str:
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE known LOGIN PASSWORD '{SECRET}'")
        connection.execute("CREATE ROLE locked_out NOLOGIN")
    return "known"


def test_by_password(server_database: Store, server: Server, known: str) -> None:
    url = tcp(server, known, SECRET, server_database.database)
    with pytest.raises(LedgerError) as caught:
        open_ledger(url, read_only=True)
    assert caught.value.code == "ledger-rights", "it is in, and was granted nothing"


@pytest.mark.parametrize(
    ("user", "secret", "name", "code"),
    [
        ("known", "wrong " + SECRET, None, "ledger-login"),
        ("known", "", None, "ledger-login"),
        ("nobody_known", SECRET, None, "ledger-login"),
        ("known", SECRET, "no_such_database", "ledger-missing"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    server_database: Store, server: Server, known: str, user: str, secret: str, name: str | None, code: str
) -> None:
    url = tcp(server, user, secret, name or server_database.database)
    for ask in (lambda: open_ledger(url, read_only=True), lambda: migrate.status(url), lambda: migrate.upgrade(url)):
        with pytest.raises(LedgerError) as caught:
            ask()
        assert caught.value.code == code
        assert "hunter2" not in str(caught.value)
        assert "127.0.0.1" in caught.value.message


@pytest.mark.parametrize("user", ["locked_out", "not_there"])
def test_a_role_that_may_not_log_in(server_database: Store, server: Server, known: str, user: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(server.url(server_database.database, user), read_only=True)
    assert caught.value.code == "ledger-login"


def test_nobody_listens(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = tcp(server, "known", SECRET, "x", free.getsockname()[1])
        with pytest.raises(LedgerError) as caught:
            open_ledger(url, read_only=True)
    assert caught.value.code == "ledger-unreachable"
    assert "refused" in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_somebody_listens_and_does_not_answer(server: Server) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = tcp(server, "known", SECRET, "x", silent.getsockname()[1], "connect_timeout=2")
        with pytest.raises(LedgerError) as caught:
            open_ledger(url, read_only=True)
    assert caught.value.code == "ledger-unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:hunter2@h:port/x",
        "postgresql+psycopg://u:hunter2@h/x?nonsense=1",
        "postgresql+psycopg://u:hun?ter2@[::1/x",
        "postgresql+psycopg://u@h/x?schema=",
        "postgresql+psycopg://u@h/x?schema=pg_catalog",
        "postgresql+psycopg://u@h/x?schema=a&schema=b",
        "postgresql+psycopg://u@h/x?schema=" + "x" * 64,
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(url, read_only=True)
    assert caught.value.code in ("ledger-url", "ledger-unreachable", "ledger-database")
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("user", ["u:p%3Fa%40ss@", "u:p@", "u@", ""])
@pytest.mark.parametrize("query", ["", "?password=p%40ss&user=x"])
def test_a_place_is_named_without_its_password(user: str, query: str) -> None:
    assert str(database.locate(f"postgresql+psycopg://{user}h:5/x{query}")) == "postgresql://h:5/x"


@pytest.mark.parametrize("url", ["u:a@hun@h/x", "u:hun?x@h/x", "u:hun/x@h/x", "h/x?password=a@hun", "u:hun#x@h/x"])
def test_a_password_that_was_not_encoded_is_not_taken_for_a_host(url: str) -> None:
    with pytest.raises(LedgerError, match="malformed") as caught:
        database.locate(f"postgresql+psycopg://{url}")
    assert caught.value.code == "ledger-url"
    assert "hun" not in str(caught.value)
    assert "%40" in str(caught.value)


def test_a_locked_head_is_waited_for_and_then_refused(server_database: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with server_database.open() as ledger:
        with server_database.connection() as other:
            other.execute("SELECT policy_audit_lock_head()")
            with pytest.raises(LedgerError) as caught:
                ledger.append(HOLD)
            assert caught.value.code == "ledger-locked"
            assert ledger.verify().ok, "readers do not wait"
        assert ledger.append(HOLD).index == 0


def test_a_statement_that_takes_too_long_is_given_up(server_database: Store) -> None:
    def sleep(ledger: Ledger) -> None:
        with ledger._database.write() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 50")
            connection.exec_driver_sql("SELECT pg_sleep(60)")

    with server_database.open() as ledger:
        with pytest.raises(LedgerError) as caught:
            sleep(ledger)
        assert caught.value.code == "ledger-timeout"
        assert ledger.append(HOLD).index == 0


def test_a_failed_statement_that_somebody_swallowed_is_never_a_commit(server_database: Store) -> None:
    def swallow(ledger: Ledger) -> None:
        with ledger._database.write() as connection, suppress(SQLAlchemyError):
            connection.exec_driver_sql("SELECT 1 / 0")

    with server_database.open() as ledger:
        ledger.append(HOLD)
        with pytest.raises(LedgerError, match="refused a statement"):
            swallow(ledger)
        assert ledger.append(HOLD).index == 1


@pytest.mark.parametrize("change", ["DROP TABLE personal", "DROP FUNCTION policy_audit_lock_head()"])
def test_what_vanishes_while_it_is_open(on_server: Store, change: str) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(change)
        with pytest.raises(LedgerError) as caught:
            ledger.append(decision(11))
        assert caught.value.code == "ledger-tampered"
        assert not ledger.verify().ok


def test_a_text_too_long_for_an_index_is_refused(server_database: Store) -> None:
    chance = random.Random(1)  # noqa: S311
    long = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(9000))
    draft = decision(0)
    with server_database.open() as ledger:
        with pytest.raises(LedgerError) as caught:
            ledger.append(Draft(draft.type, view={**draft.view, "workload": long}))
        assert caught.value.code == "entry-too-large"
        assert ledger.append(HOLD).index == 0
        assert ledger.verify().ok


class TestReadOnly:
    """Made read-only while it is open: the entry is withheld, what is there is read, and it goes on afterwards."""

    def test_the_database(self, server_database: Store, server: Server) -> None:
        name = server_database.database
        with server_database.open() as ledger:
            ledger.append(HOLD)
            for value, code in (("on", "ledger-read-only"), ("off", None)):
                with server.connect() as connection:
                    connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                    )
                if code is None:
                    assert ledger.append(HOLD).index == 1
                    continue
                with pytest.raises(LedgerError) as caught:
                    ledger.append(HOLD)
                assert caught.value.code == code
                assert ledger.entry(0).index == 0
            assert ledger.verify().ok

    def test_the_role(self, server_database: Store, server: Server, known: str) -> None:
        grants.apply(server_database.url, grants.Roles(writer=known))
        url = server.url(server_database.database, known)
        with open_ledger(url, key_path=server_database.key) as ledger:
            ledger.append(HOLD)
            grants.apply(server_database.url, grants.Roles(reader=known))
            with pytest.raises(LedgerError) as caught:
                ledger.append(HOLD)
            assert caught.value.code == "ledger-rights"
            assert ledger.verify().ok
            grants.apply(server_database.url, grants.Roles(writer=known))
            assert ledger.append(HOLD).index == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Server, Store]]:
    """A server whose files may not grow over three megabytes: a disk that is full, for whoever extends a table."""
    server = Server()
    try:
        store = server_store(server, empty_template(server), tmp_path)
        server.stop()
        server.start(3_000_000)
        yield server, store
    finally:
        server.close()


@pytest.mark.slow
def test_a_full_disk_withholds_and_the_ledger_stays_valid(small: tuple[Server, Store], tmp_path: Path) -> None:
    server, store = small
    place = Place(tmp_path)
    place.url = store.url
    recorded: list[Recorded] = []
    key = {"POLICY_LEDGER_KEY": str(store.key)}
    with store.open() as ledger:
        with pytest.raises(LedgerError) as caught:
            recorded.extend(ledger.append(big(number)) for number in range(200))
        assert caught.value.code in ("ledger-disk-full", "ledger-io")
        assert recorded
        assert len(ledger.list_entries()) == len(recorded)
        report = ledger.verify()
        assert report.ok, report.problems
        refused(place.evaluate(env=key), "ledger-disk-full", "ledger-io")
        server.stop()
        server.start()
        assert ledger.append(big(0)).index == len(recorded)
        assert ledger.verify().ok
    assert place.decided(env=key)["ledger"]["index"] == len(recorded) + 1


def test_a_server_that_stops_mid_run_is_found_again(small: tuple[Server, Store]) -> None:
    server, store = small
    with store.open() as ledger:
        ledger.append(HOLD)
        server.stop()
        for ask in (lambda: ledger.append(HOLD), ledger.verify, ledger.checkpoint):
            with pytest.raises(LedgerError) as caught:
                ask()
            assert caught.value.code == "ledger-unreachable"
        server.start()
        assert ledger.append(HOLD).index == 1
        assert ledger.verify().ok


def test_no_server_is_left_when_the_tests_are_killed(tmp_path: Path) -> None:
    script = (
        "from tests.postgres import Server; import time; s = Server(); print(s.folder, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    data = (folder / "data").resolve()
    first = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while (folder.exists() or Path(f"/proc/{first}").exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
    assert not data.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
