"""The state that a database is in: which revision, or something else's.

Neither Alembic nor the table definitions are imported here: a ledger at the current revision is opened without them.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text, column, func, inspect, select, table

from policy_audit.errors import LedgerError
from policy_audit.names import HEAD, REVISION_TABLE
from policy_audit.server import SCHEMA_SETTING


def schema_of(connection: Connection) -> str | None:
    """Return the schema of a server that the transaction works in; None on SQLite, and where it is not there."""
    if connection.dialect.name == "sqlite":
        return None
    wanted = func.current_setting(SCHEMA_SETTING)
    name = column("nspname", Text)
    found = connection.execute(select(name).select_from(table("pg_namespace")).where(name == wanted)).scalar()
    return None if found is None else str(found)


def revision(connection: Connection) -> str | None:
    """Return the ledger's schema revision, None in a database that has none or is something else."""
    inspector, schema = inspect(connection), schema_of(connection)
    if schema is None and connection.dialect.name != "sqlite":
        return None
    if not inspector.has_table(REVISION_TABLE, schema) or not inspector.has_table(HEAD.name, schema):
        return None
    value = connection.exec_driver_sql(f"SELECT version_num FROM {REVISION_TABLE}").scalar()  # noqa: S608
    return None if value is None else str(value)


def refuse_other(connection: Connection, place: object) -> None:
    """Refuse a database that holds tables but no ledger, before anything of it is changed.

    Raises:
        LedgerError: it is something else's database.
    """
    schema = schema_of(connection)
    if schema is None and connection.dialect.name != "sqlite":
        return
    if revision(connection) is None and inspect(connection).get_table_names(schema):
        raise LedgerError(f"the database `{place}` is not a ledger", code="not-a-ledger")
