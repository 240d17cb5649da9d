"""A ledger of a test on either database: opened, looked into, and changed behind its back.

Statements are written once, as SQLite has them; for PostgreSQL they are put into its words.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy_audit import migrate
from policy_audit.ledger import Ledger, open_ledger

from tests.postgres import Server, database

SQLITE, POSTGRESQL = "sqlite", "postgresql"
KINDS = (SQLITE, POSTGRESQL)


class Rows(list[Any]):
    """The rows of a statement."""

    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return list(self)


class Connection:
    """A connection of an administrator, which takes statements as SQLite has them."""

    def __init__(self, driver: Any, kind: str) -> None:
        self.driver, self.kind = driver, kind

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        if self.kind == SQLITE:
            return Rows(self.driver.execute(statement, values).fetchall())
        cursor = self.driver.execute(postgresql(statement) if values else _words(statement), tuple(values) or None)
        return Rows(cursor.fetchall() if cursor.description else [])


def postgresql(statement: str) -> str:
    """Return a statement with values as psycopg takes it."""
    return _words(statement.replace("%", "%%").replace("?", "%s"))


def _words(statement: str) -> str:
    statement = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)
    return re.sub(r"X'([0-9A-Fa-f]*)'", r"'\\x\1'::bytea", statement)


@dataclass(frozen=True)
class Store:
    """A place for one ledger, and its key."""

    kind: str
    url: str
    key: Path
    path: Path | None = None
    server: Server | None = None
    database: str = ""

    @property
    def personal_key(self) -> Path:
        return self.key.with_name(f"{self.key.name}.personal")

    def open(self, **options: Any) -> Ledger:
        return open_ledger(self.url, **{"key_path": self.key, **options})

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that has all rights; what it does is committed at the end."""
        if self.path is not None:
            driver: Any = sqlite3.connect(self.path)
        else:
            assert self.server is not None
            driver = self.server.connect(self.database)
            driver.autocommit = False
        try:
            yield Connection(driver, self.kind)
            driver.commit()
        finally:
            driver.close()

    @contextmanager
    def administrator(self) -> Iterator[Connection]:
        """All rights, and no triggers in the way: they are dropped first and put back as they were."""
        with self.connection() as connection:
            triggers = _triggers(connection)
            for name, table, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if self.kind == POSTGRESQL else ""))
            yield connection
            for _, table, statement in triggers:
                if connection.kind == POSTGRESQL and not connection.execute(
                    "SELECT 1 FROM pg_class WHERE relname = ?", (table,)
                ):
                    continue  # its table is gone
                with suppress(sqlite3.OperationalError):
                    connection.execute(statement)

    def copy(self, folder: Path, name: str | None = None) -> Store:
        """Return the same ledger, closed, at another place; on a server in the database `name`."""
        for key in (self.key, self.personal_key):
            if key.exists():
                shutil.copy2(key, folder / key.name)
        if self.path is not None:
            shutil.copy2(self.path, folder / "ledger.db")
            return sqlite_store(folder)
        assert self.server is not None
        assert name is not None
        return server_store(self.server, name, folder)

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Store]:
        """The same ledger, closed, at another place, for as long as it is needed."""
        folder.mkdir(exist_ok=True)
        if self.server is None:
            yield self.copy(folder)
            return
        with database(self.server, self.database) as name:
            yield self.copy(folder, name)

    @contextmanager
    def backup(self) -> Iterator[Callable[[], None]]:
        """Keep the database as it is, closed; what is given puts it back. The keys stay where they are."""
        if self.path is not None:
            content = self.path.read_bytes()
            yield lambda: self._put_back(content)
            return
        assert self.server is not None
        with database(self.server, self.database) as name:
            yield lambda: self._put_back(name)

    def _put_back(self, kept: bytes | str) -> None:
        if self.path is not None and isinstance(kept, bytes):
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self.path.write_bytes(kept)
        elif self.server is not None and isinstance(kept, str):
            self.server.drop(self.database)
            self.server.create(kept, self.database)


def _triggers(connection: Connection) -> list[Any]:
    if connection.kind == SQLITE:
        return connection.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    return connection.execute(
        "SELECT tgname, relname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
        "WHERE NOT tgisinternal"
    )


def sqlite_store(folder: Path) -> Store:
    path = folder / "ledger.db"
    return Store(SQLITE, f"sqlite:///{path}", path.with_name("ledger.db.key"), path)


def server_store(server: Server, database: str, folder: Path) -> Store:
    return Store(POSTGRESQL, server.url(database), folder / "ledger.db.key", None, server, database)


def empty_template(server: Server) -> str:
    """Make a database with the schema and nothing in it."""
    name = server.create()
    migrate.upgrade(server.url(name))
    return name
