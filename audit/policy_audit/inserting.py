"""Many rows at once, as the driver takes them: what appending spends most of its time on.

SQLAlchemy's own executemany turns every row into a mapping and back, which costs more than SQLite's insert. On
PostgreSQL the rows of a table are one statement, with an array for each column, and all statements one round trip;
many rows go through COPY, which takes several, and costs a third for each row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TableClause

from policy_audit.asking import Ask, Row, ask_all, begin_asking, settle, translated
from policy_audit.errors import LedgerError

Rows = tuple[TableClause, Sequence[Row]]
LEAST_COPIED = 50
_TYPES = ((int, "int8"), (str, "text"), (bytes, "bytea"))
#: The columns that may be NULL in all rows and are no text.
_NO_TEXT = {"tag_set": "int8"}


def insert_rows(connection: Connection, table: TableClause, rows: Sequence[Row]) -> None:
    """Insert rows, all of them, whose values stand in the order of the table's columns.

    Raises:
        LedgerError: the database took some and says nothing: a rule or a trigger of somebody's drops them.
    """
    insert_all(connection, [(table, rows)])


def insert_all(connection: Connection, tables: Sequence[Rows], *, last: bool = False) -> None:
    """Insert the rows of several tables, each as `insert_rows` does.

    `last`: nothing but such calls, and COMMIT, comes after it in its transaction. Few rows are then sent to a server
    and not waited for, which works on them meanwhile; COMMIT is. It counts them itself, and refuses where some lack.

    Raises:
        LedgerError: as `insert_rows`.
    """
    given = [(table, rows) for table, rows in tables if rows]
    if connection.dialect.name == "sqlite":
        for table, rows in given:
            _check(table, rows, _insert_sqlite(connection, table, rows))
        return
    if last and all(len(rows) < LEAST_COPIED for _, rows in given):
        for table, rows in given:
            begin_asking(connection, _counted(table, rows))
        return
    settle(connection)  # COPY takes the connection for itself
    for table, rows in given:
        if len(rows) >= LEAST_COPIED:
            _check(table, rows, _copy(connection, table, rows))
    few = [(table, rows) for table, rows in given if len(rows) < LEAST_COPIED]
    answers = ask_all(connection, [_unnested(table, rows) for table, rows in few])
    for (table, rows), answer in zip(few, answers, strict=True):
        _check(table, rows, answer.affected)


def _check(table: TableClause, rows: Sequence[Row], count: int) -> None:
    if count != len(rows):
        raise dropped(table.name)


def dropped(table: str) -> LedgerError:
    """Return the refusal of a database that takes rows and does not keep them."""
    return LedgerError(
        f"the database drops what is written to `{table}`",
        code="ledger-tampered",
        help="nothing was recorded; `policy audit verify` names the rule or trigger",
    )


def _insert_sqlite(connection: Connection, table: TableClause, rows: Sequence[Row]) -> int:
    driver: Any = connection.connection.driver_connection
    statement = _statement(table.name, tuple(table.c.keys()))
    with translated(connection, statement, sqlite3.Error):
        return int(driver.executemany(statement, rows).rowcount)


def _counted(table: TableClause, rows: Sequence[Row]) -> Ask:
    """Return an INSERT that divides by zero where not all rows were taken, and is refused where a rule is on the table.

    `pipeline` tells either as `dropped` of the table that `checks` names.
    """
    plain = _unnested(table, rows)
    counting = f"WITH written AS ({plain.statement} RETURNING 1) SELECT 1 / (count(*) = ?)::int FROM written"  # noqa: S608
    return Ask(counting, [*plain.values, len(rows)], often=True, checks=table.name)


def _unnested(table: TableClause, rows: Sequence[Row]) -> Ask:
    from policy_audit.arrays import KINDS

    columns = list(zip(*rows, strict=True))
    types = tuple(map(_type_of, table.c.keys(), columns))
    arrays = [KINDS[kind](column) for kind, column in zip(types, columns, strict=True)]
    return Ask(_array_statement(table.name, tuple(table.c.keys()), types), arrays, often=True)


def _copy(connection: Connection, table: TableClause, rows: Sequence[Row]) -> int:
    """Insert by COPY, in binary; return how many rows were. Triggers fire; rules of INSERT do not apply to it."""
    import psycopg

    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({', '.join(table.c.keys())}) FROM STDIN (FORMAT BINARY)"
    # binary values have to be of the columns' types: an `int` alone would be sent as small as it is
    types = list(map(_type_of, table.c.keys(), zip(*rows, strict=True)))
    with translated(connection, statement, psycopg.Error), driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        return int(cursor.rowcount)


def _type_of(name: str, column: Sequence[Any]) -> str:
    some = column[0]
    if some is None:
        some = next((value for value in column if value is not None), None)
    if some is None:
        return _NO_TEXT.get(name, "text")
    return next(name for kind, name in _TYPES if isinstance(some, kind))


@cache
def _statement(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


@cache
def _array_statement(table: str, columns: tuple[str, ...], types: tuple[str, ...]) -> str:
    arrays = ", ".join(f"?::pg_catalog.{kind}[]" for kind in types)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608
