"""Many rows at once, as the driver takes them: what bulk appending spends most of its time on.

SQLAlchemy's own executemany turns every row into a mapping and back, which costs more than SQLite's insert. On
PostgreSQL many rows go through COPY, which costs a third of psycopg's executemany.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, TableClause
from sqlalchemy.exc import DBAPIError

from policy_audit.errors import LedgerError

Row = tuple[Any, ...]
LEAST_COPIED = 50
_COUNTED = {"preserve_rowcount": True}
_TYPES = ((int, "int8"), (str, "text"), (bytes, "bytea"))


def insert_rows(connection: Connection, table: TableClause, rows: Sequence[Row]) -> None:
    """Insert rows, all of them, whose values stand in the order of the table's columns.

    Raises:
        LedgerError: the database took some and says nothing: a rule or a trigger of somebody's drops them.
    """
    if not rows:
        return
    if len(rows) >= LEAST_COPIED and connection.dialect.name == "postgresql":
        count = _copy(connection, table, rows)
    else:
        statement = _statement(table.name, tuple(table.c.keys()), connection.dialect.name)
        count = connection.exec_driver_sql(statement, list(rows), execution_options=_COUNTED).rowcount
    if count != len(rows):
        raise LedgerError(
            f"the database drops what is written to `{table.name}`",
            code="ledger-tampered",
            help="nothing was recorded; `policy audit verify` names the rule or trigger",
        )


def _copy(connection: Connection, table: TableClause, rows: Sequence[Row]) -> int:
    """Insert by COPY, in binary; return how many rows were. Triggers fire; rules of INSERT do not apply to it."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({', '.join(table.c.keys())}) FROM STDIN (FORMAT BINARY)"
    # binary values have to be of the columns' types: an `int` alone would be sent as small as it is
    types = [_type_of(column) for column in zip(*rows, strict=True)]
    with _translated(connection, statement), driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        return int(cursor.rowcount)


def _type_of(column: Sequence[Any]) -> str:
    some = next((value for value in column if value is not None), "")
    return next(name for kind, name in _TYPES if isinstance(some, kind))


@contextmanager
def _translated(connection: Connection, statement: str) -> Iterator[None]:
    """Raise what the driver raises as SQLAlchemy does, which `database.translate` puts into words."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        dialect = connection.dialect
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, connection_invalidated=lost, dialect=dialect
        ) from error


@cache
def _statement(table: str, columns: tuple[str, ...], dialect: str) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608
