"""The two databases: URLs, connections, transactions, and the words for what goes wrong.

Nothing here knows what a ledger is. Connections are in autocommit mode, and every transaction is begun and ended
by the statements below, so that a writer on SQLite takes its lock first and a reader sees one snapshot.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from policy_audit import server as pg
from policy_audit.asking import Answer, Ask, ask_all, end_asking, translated
from policy_audit.errors import LedgerError
from policy_audit.remembered import Remembered
from policy_audit.sqlite_file import (
    BUSY_SECONDS,
    MEMORY,
    FileConnection,
    Placed,
    open_file_connection,
)
from policy_audit.sqlite_turns import BEGIN, begin_writing

_RETRY_SECONDS = 0.02
_COMMIT = Ask("COMMIT", often=True)
_FOLD_MILLISECONDS = 2000
SQLITE_PREFIX = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a ledger is: a SQLite file (`path`), a `schema` on a server, or, with neither, memory."""

    url: str
    path: Path | None = None
    server: bool = False
    schema: str = pg.DEFAULT_SCHEMA

    def __str__(self) -> str:
        if self.server:
            place = pg.shown(self.url)  # never the password
            return place if self.schema == pg.DEFAULT_SCHEMA else f"{place}?schema={self.schema}"
        return str(self.path) if self.path else MEMORY


def locate(url: str) -> Location:
    """Read a ledger's URL.

    Raises:
        LedgerError: it is of no kind that a ledger can have.
    """
    if url.startswith(pg.PREFIX):
        own, schema = pg.split_url(url)
        return Location(own, server=True, schema=schema)
    if url == SQLITE_PREFIX + MEMORY:
        return Location(url)
    name = url.removeprefix(SQLITE_PREFIX)
    if not url.startswith(SQLITE_PREFIX) or not name or "?" in name or "\x00" in name:
        raise LedgerError(
            f"`{_without_password(url)[:80]}` is not the URL of a ledger",
            code="ledger-url",
            help="one of sqlite:///path, sqlite:///:memory:, postgresql+psycopg://user@host/database",
        )
    return Location(url, path=Path(name).expanduser().absolute())


def _without_password(url: str) -> str:
    return f"{url.partition(':')[0]}:..." if "@" in url or "?" in url else url


class Database:
    """Connections to one database, and its transactions."""

    def __init__(self, location: Location, engine: Engine, placed: Placed | None = None) -> None:
        self.location = location
        self.engine = engine
        self.placed = placed
        self.remembered: Remembered | None = None
        """What is read, and extended by `commit_groups`, is held to; None: nobody remembers anything."""
        self.on_sqlite = engine.dialect.name == "sqlite"
        self._process = os.getpid()
        self._writing = threading.RLock()
        # A database in memory has one connection, which two threads must not use in turns.
        self._reading = None if location.server or location.path else self._writing

    @contextmanager
    def write(self, patient: bool = False) -> Iterator[Connection]:
        """Hold the lock of the database's one writer; commit at the end, or roll back and raise `LedgerError`.

        On a server this begins the transaction only: `appending.lock_head` takes the lock. A `patient` writer may
        take as long as it takes.
        """
        with self.write_asking((), patient) as (connection, _):
            yield connection

    @contextmanager
    def write_asking(self, asks: Sequence[Ask], patient: bool = False) -> Iterator[tuple[Connection, list[Answer]]]:
        """Do as `write`, and ask `asks` as the transaction's first statements, which takes no round trip more."""
        self.check_process()
        begin: tuple[str, ...] = (BEGIN,)
        if not self.on_sqlite:
            begin = pg.writing(self.location.schema, BUSY_SECONDS, patient)
        with self._writing, self._transaction(begin, asks, writes=True, prepares=not patient) as begun:
            yield begun

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep this process's other writers out, around transactions and what has to follow them."""
        with self._writing:
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one snapshot of the database."""
        with self.read_asking(()) as (connection, _):
            yield connection

    @contextmanager
    def read_asking(self, asks: Sequence[Ask]) -> Iterator[tuple[Connection, list[Answer]]]:
        """Do as `read`, and ask `asks` as the transaction's first statements, which takes no round trip more."""
        self.check_process()
        begin = ("BEGIN",) if self.on_sqlite else pg.reading(self.location.schema)
        remembered = self.remembered
        with self._reading or nullcontext():
            if remembered is None:
                with self._transaction(begin, asks) as begun:
                    yield begun
                return
            floor = remembered.floor()  # before the snapshot: what is committed after that makes nothing smaller
            with self._transaction(begin, [remembered.ask(floor), *asks]) as (connection, (head, *answers)):
                remembered.take(remembered.held(connection, floor, head.rows))
                yield connection, answers

    def fold_log(self) -> bool:
        """Fold SQLite's write-ahead log into the file and empty it, so that nothing deleted is left in it.

        Return False where a reader, or another writer, kept it from being emptied; it is emptied when the last
        connection closes. False too on PostgreSQL: what overwrites there is VACUUM, and the recycling of its log.
        """
        if not self.on_sqlite or self.location.path is None:
            return self.on_sqlite
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {_FOLD_MILLISECONDS}")
                try:
                    busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
                finally:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        except SQLAlchemyError:
            return False
        return not busy

    def check_process(self) -> None:
        """Refuse a process that was forked from the one that opened this.

        The two would share connections, and on SQLite the locks of one would be the locks of the other.

        Raises:
            LedgerError: this is another process.
        """
        if os.getpid() != self._process:
            raise LedgerError(
                f"the ledger `{self.location}` was opened by the process that this one was forked from",
                code="ledger-forked",
                help="open it again in each process that uses it",
            )

    def close(self) -> None:
        """Give all connections back; on SQLite the last one folds the write-ahead log into the file.

        In a forked process nothing is closed: the connections are the other one's.
        """
        if os.getpid() == self._process:
            self.engine.dispose()

    @contextmanager
    def _transaction(
        self, begin: Sequence[str], asks: Sequence[Ask] = (), *, writes: bool = False, prepares: bool = False
    ) -> Iterator[tuple[Connection, list[Answer]]]:
        committing = False
        try:
            connection, answers = self._begin([*(Ask(each, often=True) for each in begin), *asks], prepares)
            with connection:
                try:
                    if not writes:
                        self._check_place(connection)
                    yield connection, answers[len(begin) :]
                    if not self.on_sqlite and pg.in_failed_transaction(connection):
                        raise LedgerError(f"the ledger `{self.location}` refused a statement", code="ledger-database")
                    if writes:
                        self._check_place(connection)
                    committing = True
                    ask_all(connection, [_COMMIT])
                except BaseException:
                    _roll_back(connection)
                    raise
        except SQLAlchemyError as error:
            refused = translate(error, self.location)
            if committing and refused.code == "ledger-unreachable":
                refused = _unknown(self.location)
            raise refused from error

    def _check_place(self, connection: Connection) -> None:
        if self.placed is not None:
            self.placed.check(cast("FileConnection", connection.connection.driver_connection))

    def _begin(self, asks: Sequence[Ask], prepares: bool) -> tuple[Connection, list[Answer]]:
        """Begin a transaction, on a new connection where the one that was kept has died meanwhile.

        Nothing has been done in it yet, so that it is begun anew without harm: a connection need not be tried before
        each use, which would cost a round trip.
        """
        for last in (self.on_sqlite, True):
            connection = self.engine.connect()
            try:
                connection.begin()  # SQLAlchemy's own word for it, to which Alembic listens: it sends nothing
                if not self.on_sqlite:
                    pg.prepares_in(connection, prepares)
                if asks[0].statement == BEGIN:
                    begin_writing(connection, BUSY_SECONDS)
                    return connection, [Answer([], -1), *ask_all(connection, asks[1:])]
                return connection, ask_all(connection, asks)
            except BaseException as error:
                lost = isinstance(error, DBAPIError) and error.connection_invalidated
                if not lost:
                    _roll_back(connection)
                    connection.close()
                    raise
                connection.invalidate()
                connection.close()
                self.engine.dispose()  # the others that were kept are of the same server
                if last:
                    raise
        raise AssertionError("one of the two attempts returns or raises")


def connect(location: Location) -> Database:
    """Open the database at `location`, which must exist; nothing is written.

    Raises:
        LedgerError: it is not there, cannot be opened, or the driver is not installed.
    """
    if location.server:
        return Database(location, pg.connect_server(location.url))
    placed = Placed(location.path) if location.path is not None else None

    def opener() -> sqlite3.Connection:
        # the target is that of now: a file that could not be written to may have become writable
        return open_file_connection(location.path, placed)

    pool = QueuePool if location.path else StaticPool
    engine = create_engine("sqlite://", creator=opener, poolclass=pool, isolation_level="AUTOCOMMIT")
    return Database(location, engine, placed)


def use_write_ahead_log(database: Database) -> None:
    """Make a new SQLite file keep a write-ahead log, so that readers and the writer do not wait for each other.

    Raises:
        LedgerError: the file refuses it, or another keeps it locked for `BUSY_SECONDS`.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with database.engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                if database.placed is not None:
                    driver = cast("FileConnection", connection.connection.driver_connection)
                    with translated(connection, "PRAGMA journal_mode", sqlite3.Error):
                        database.placed.opened(driver)
                return
        except SQLAlchemyError as error:
            refused = translate(error, database.location)
            # while another process is about to write, SQLite refuses this at once, whatever its timeout is
            if refused.code != "ledger-locked" or time.monotonic() > deadline:
                raise refused from error
        time.sleep(_RETRY_SECONDS)


def translate(error: SQLAlchemyError, location: Location) -> LedgerError:
    """Say in our words what a database refused."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if location.server and isinstance(error, DBAPIError):
        found = pg.words(error)
        if found is not None:
            return LedgerError(found[1].format(location), code=found[0], help=found[2])
    name = getattr(original, "sqlite_errorname", None) or ""
    for starts, code, message, hint in _WORDS:
        if name.startswith(starts):
            return LedgerError(message.format(location), code=code, help=hint)
    text = str(original or error).strip().partition("\n")[0]
    return LedgerError(f"the ledger `{location}` refused: {text}", code="ledger-database")


_RIGHTS = "check the rights of the file and its folder"
_ROOM = "make room and try again"
_WORDS: tuple[tuple[tuple[str, ...], str, str, str | None], ...] = (
    (("SQLITE_BUSY", "SQLITE_LOCKED"), "ledger-locked", "the ledger `{}` is locked by another", "try again"),
    (("SQLITE_FULL",), "ledger-disk-full", "there is no space left for the ledger `{}`", _ROOM),
    (("SQLITE_READONLY",), "ledger-read-only", "the ledger `{}` is read-only", _RIGHTS),
    (("SQLITE_CANTOPEN",), "ledger-unreadable", "the ledger `{}` cannot be opened", _RIGHTS),
    (("SQLITE_NOTADB",), "not-a-ledger", "the file `{}` is not a SQLite database", None),
    (("SQLITE_CORRUPT",), "ledger-corrupt", "the ledger `{}` is damaged", "restore a backup, then verify it"),
    (("SQLITE_IOERR",), "ledger-io", "the disk under the ledger `{}` failed, or is full", _ROOM),
    (
        ("SQLITE_CONSTRAINT",),
        "ledger-tampered",
        "the ledger `{}` holds rows that its last checkpoint does not cover",
        "verify it: `policy audit verify`",
    ),
)


def _unknown(location: Location) -> LedgerError:
    return LedgerError(
        f"the server of the ledger `{location}` was lost during the commit: whether it recorded is not known",
        code="ledger-unreachable",
        help="nothing is handed out; see what is on record with `policy audit list`, then try again",
    )


def _roll_back(connection: Connection) -> None:
    end_asking(connection)
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()
