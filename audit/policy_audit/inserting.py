"""Many rows at once, as the driver takes them: what bulk appending spends most of its time on.

SQLAlchemy's own executemany turns every row into a mapping and back, which costs more than SQLite's insert.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TableClause

from policy_audit.errors import LedgerError

Row = tuple[Any, ...]
_COUNTED = {"preserve_rowcount": True}


def insert_rows(connection: Connection, table: TableClause, rows: Sequence[Row]) -> None:
    """Insert rows, all of them, whose values stand in the order of the table's columns.

    Raises:
        LedgerError: the database took some and says nothing: a rule or a trigger of somebody's drops them.
    """
    if not rows:
        return
    statement = _statement(table.name, tuple(table.c.keys()), connection.dialect.name)
    done = connection.exec_driver_sql(statement, list(rows), execution_options=_COUNTED)
    if done.rowcount != len(rows):
        raise LedgerError(
            f"the database drops what is written to `{table.name}`",
            code="ledger-tampered",
            help="nothing was recorded; `policy audit verify` names the rule or trigger",
        )


@cache
def _statement(table: str, columns: tuple[str, ...], dialect: str) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608
