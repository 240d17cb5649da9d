"""The schema of a new ledger on SQLite, made by its migrations once in a process and copied from then on.

Alembic takes 40 ms to make it, and a property opens hundreds of ledgers. What migrations themselves do is for
`tests/unit/audit/test_migrations.py` and whoever runs the command in a process of its own, where they run as ever.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

Migrate = Callable[[Connection, str | None, Any], None]


def once(migrate: Migrate) -> Migrate:
    """Return what does as `migrate`, and runs it for the first of all empty files only."""
    schema: list[str] = []

    @functools.wraps(migrate)
    def copied(connection: Connection, current: str | None, place: Any) -> None:
        new = connection.dialect.name == "sqlite" and current is None and not _tables(connection)
        if not (new and schema):
            migrate(connection, current, place)
        if not new:
            return
        if not schema:
            driver: Any = connection.connection.driver_connection
            schema.extend(line for line in driver.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;"))
            return
        for statement in schema:
            connection.exec_driver_sql(statement)

    return copied


def _tables(connection: Connection) -> int:
    count: int = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    return count
