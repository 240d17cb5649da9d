"""Several statements at once, as the driver takes them: one round trip to a server, and no layer between on SQLite.

SQLAlchemy takes longer over a short statement than SQLite does, and a server is waited for once for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
_MAX_PARAMETERS = 512


class Ask(NamedTuple):
    """A statement with `?` for each of its values.

    `often`: it is asked again and again in the same words, so that a server may keep it prepared (`pipeline`).
    `checks`: the table that it writes to, and looks itself whether that took all of it (`inserting`).
    """

    statement: str
    values: Sequence[Any] = ()
    often: bool = False
    checks: str = ""


class Answer(NamedTuple):
    """The rows that a statement gave, and how many it was about."""

    rows: list[Row]
    affected: int


def asks_in(beginning: str, values: Sequence[Any]) -> list[Ask]:
    """Return statements that ask for all of `values`, after `beginning`, which ends before `IN`; none for none.

    They have ten forms at most, whatever the number of values, so that each may be prepared: where values lack for one,
    the last value stands there again.
    """
    parts = [values[start : start + _MAX_PARAMETERS] for start in range(0, len(values), _MAX_PARAMETERS)]
    return [Ask(f"{beginning} IN ({', '.join('?' * len(part))})", part, often=True) for part in map(_filled, parts)]


def _filled(values: Sequence[Any]) -> Sequence[Any]:
    """Return the values, the last one repeated, in a number that is a power of two."""
    lacking = (1 << (len(values) - 1).bit_length()) - len(values)
    return [*values, *[values[-1]] * lacking] if lacking else values


def ask_all(connection: Connection, asks: Sequence[Ask]) -> list[Answer]:
    """Run statements in order; where one is refused, none after it is run.

    Raises:
        DBAPIError: one was refused, in the words of `database.translate`'s input.
    """
    if not asks:
        return []
    if connection.dialect.name == "sqlite":
        return _ask_sqlite(connection, asks)
    return _ask_server(connection, asks)


def ask_one(connection: Connection, statement: str, *values: Any) -> list[Row]:
    """Run one statement; return its rows."""
    return ask_all(connection, [Ask(statement, values)])[0].rows


def _ask_sqlite(connection: Connection, asks: Sequence[Ask]) -> list[Answer]:
    driver: Any = connection.connection.driver_connection
    answers = []
    for statement, values, *_ in asks:
        with translated(connection, statement, sqlite3.Error):
            cursor = driver.execute(statement, values)
            answers.append(Answer(cursor.fetchall(), cursor.rowcount))
    return answers


def _ask_server(connection: Connection, asks: Sequence[Ask]) -> list[Answer]:
    import psycopg

    from policy_audit.pipeline import run

    driver: Any = connection.connection.driver_connection
    begun = len(driver.begun)
    with translated(connection, asks[-1].statement, psycopg.Error):
        return run(driver, asks)[begun:]


def begin_asking(connection: Connection, ask: Ask) -> None:
    """Have a server run a statement while more is made ready; what `ask_all` runs next waits for it, and tells of it.

    INVARIANT: nothing else is run on the connection meanwhile, and whatever is wrong with it is an error of its own.
    """
    import psycopg

    from policy_audit.pipeline import begin

    driver: Any = connection.connection.driver_connection
    with translated(connection, ask.statement, psycopg.Error):
        begin(driver, [ask])


def settle(connection: Connection) -> None:
    """Wait for what was begun, where anything was: the connection is wanted for something else.

    Raises:
        DBAPIError: one of it was refused.
    """
    import psycopg

    from policy_audit.pipeline import run

    driver: Any = connection.connection.driver_connection
    if driver.begun:
        with translated(connection, "", psycopg.Error):
            run(driver, [])


def end_asking(connection: Connection) -> None:
    """Have done with what was begun: the transaction that it belonged to is rolled back."""
    driver: Any = None if connection.invalidated else connection.connection.driver_connection
    if getattr(driver, "begun", None):
        from policy_audit.pipeline import end

        end(driver)


@contextmanager
def translated(connection: Connection, statement: str, kind: type[Exception]) -> Iterator[None]:
    """Raise what the driver raises as SQLAlchemy does, which `database.translate` puts into words."""
    try:
        yield
    except kind as error:
        dialect = connection.dialect
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
        raise DBAPIError.instance(statement, None, error, kind, connection_invalidated=lost, dialect=dialect) from error
