"""Several statements at once, as the driver takes them: one round trip to a server, and no layer between on SQLite.

SQLAlchemy takes longer over a short statement than SQLite does, and a server is waited for once for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
_MAX_PARAMETERS = 500


class Ask(NamedTuple):
    """A statement with `?` for each of its values."""

    statement: str
    values: Sequence[Any] = ()


class Answer(NamedTuple):
    """The rows that a statement gave, and how many it was about."""

    rows: list[Row]
    affected: int


def asks_in(beginning: str, values: Sequence[Any]) -> list[Ask]:
    """Return statements that ask for all of `values`, after `beginning`, which ends before `IN`; none for none."""
    parts = [values[start : start + _MAX_PARAMETERS] for start in range(0, len(values), _MAX_PARAMETERS)]
    return [Ask(f"{beginning} IN ({', '.join('?' * len(part))})", part) for part in parts]


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
    for statement, values in asks:
        with translated(connection, statement, sqlite3.Error):
            cursor = driver.execute(statement, values)
            answers.append(Answer(cursor.fetchall(), cursor.rowcount))
    return answers


def _ask_server(connection: Connection, asks: Sequence[Ask]) -> list[Answer]:
    import psycopg

    driver: Any = connection.connection.driver_connection
    with translated(connection, asks[-1].statement, psycopg.Error):
        if len(asks) == 1 or not psycopg.Pipeline.is_supported():
            return [_answer(_execute(driver, ask)) for ask in asks]
        return [_answer(cursor) for cursor in _pipelined(driver, asks)]


def _pipelined(driver: Any, asks: Sequence[Ask]) -> list[Any]:
    """Run statements without waiting between them; return their cursors."""
    import psycopg

    cursors, refused = [], None
    try:
        with driver.pipeline():
            try:
                cursors = [_execute(driver, ask) for ask in asks]
            except psycopg.Error as error:
                refused = error  # told once the pipeline has ended, which warns where it is left with an error
    except psycopg.Error as error:
        refused = refused or error
    if refused is not None:
        raise refused
    return cursors


def _execute(driver: Any, ask: Ask) -> Any:
    # without values nothing in a statement is a place for one: a schema's name may have any character
    return driver.execute(_formatted(ask.statement), ask.values) if ask.values else driver.execute(ask.statement)


def _answer(cursor: Any) -> Answer:
    result = cursor.pgresult  # its `description` is made anew whenever it is asked for
    return Answer(cursor.fetchall() if result is not None and result.nfields else [], cursor.rowcount)


@cache
def _formatted(statement: str) -> str:
    return statement.replace("?", "%b" if "unnest" in statement else "%s")


@contextmanager
def translated(connection: Connection, statement: str, kind: type[Exception]) -> Iterator[None]:
    """Raise what the driver raises as SQLAlchemy does, which `database.translate` puts into words."""
    try:
        yield
    except kind as error:
        dialect = connection.dialect
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
        raise DBAPIError.instance(statement, None, error, kind, connection_invalidated=lost, dialect=dialect) from error
