"""Many rows at once, as the driver takes them: what bulk appending spends most of its time on.

SQLAlchemy's own executemany turns every row into a mapping and back, which costs more than SQLite's insert.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TableClause

Row = tuple[Any, ...]


def insert_rows(connection: Connection, table: TableClause, rows: Sequence[Row]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    if rows:
        connection.exec_driver_sql(_statement(table.name, tuple(table.c.keys()), connection.dialect.name), list(rows))


@cache
def _statement(table: str, columns: tuple[str, ...], dialect: str) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608
