"""What the migrations make: the expected schema with its triggers, and how a database differs from it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Dialect, Inspector, Table, inspect
from sqlalchemy.types import TypeEngine

from policy_audit.names import REVISION, REVISION_TABLE
from policy_audit.server_schema import server_differences
from policy_audit.sqlite_schema import sqlite_differences
from policy_audit.state import schema_of
from policy_audit.tables import HEAD, METADATA

REFUSAL = "the ledger is append-only"
#: The tables whose rows may be deleted, by the triggers' leave.
DELETABLE = frozenset({"once", "personal", "subject_key"})
#: The table whose rows may be deleted once an entry says so.
DISPOSABLE = "blob"
# A document may go where the newest entry is a disposal that names it.
_DISPOSED = (
    "WHEN NOT EXISTS (SELECT 1 FROM log_entry WHERE leaf_index = (SELECT max(leaf_index) FROM log_entry) "
    "AND type = 'disposal' AND instr(CAST(entry AS TEXT), OLD.digest) > 0) "
)
_DERIVED = "decision"


def sqlite_triggers() -> dict[str, str]:
    """Return the triggers of SQLite, by name: hygiene, for evidence is in the tree.

    `no_replace` is there because INSERT OR REPLACE deletes without firing a trigger on DELETE. The rows of `decision`,
    which are derived from the entries, go without: with its indexes, any trigger on INSERT doubles what a row costs.
    """
    triggers = {}
    for table in METADATA.sorted_tables:
        actions = ("UPDATE",) if table.name in DELETABLE else ("UPDATE", "DELETE")
        for action in actions:
            name = f"{table.name}_no_{action.lower()}"
            unless = _DISPOSED if name == "blob_no_delete" else ""
            triggers[name] = (
                f"CREATE TRIGGER {name} BEFORE {action} ON {table.name} {unless}"
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        if table.name == _DERIVED:
            continue
        name = f"{table.name}_no_replace"
        same = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
        existing = f"SELECT 1 FROM {table.name} WHERE {same}"  # noqa: S608
        triggers[name] = (
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table.name} WHEN EXISTS ({existing}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    return triggers


def postgresql_triggers() -> set[str]:
    """Return the names of PostgreSQL's triggers: one for each table, and one for documents that are disposed of."""
    return {f"{name}_append_only" for name in METADATA.tables} | {"blob_disposal"}


def create_in_memory(connection: Connection) -> None:
    """Make the current schema at once; for ledgers that live as long as the process."""
    METADATA.create_all(connection)
    for statement in sqlite_triggers().values():
        connection.exec_driver_sql(statement)
    connection.execute(HEAD.insert().values(id=1))
    connection.exec_driver_sql(
        f"CREATE TABLE {REVISION_TABLE} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {REVISION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {REVISION_TABLE} VALUES ('{REVISION}')")  # noqa: S608


def differences(connection: Connection) -> tuple[list[str], list[str]]:
    """Compare the database's schema with the expected one.

    Returns first what keeps the tables from being read, then what else differs, in words.
    """
    inspector, schema = inspect(connection), schema_of(connection)
    found = set(inspector.get_table_names(schema)) - {REVISION_TABLE}
    broken = [f"the table `{name}` is missing" for name in sorted(METADATA.tables.keys() - found)]
    for name in sorted(METADATA.tables.keys() & found):
        broken += _column_differences(inspector, METADATA.tables[name], schema, connection.dialect)
    extra = [f"the table `{name}` is not the ledger's" for name in sorted(found - METADATA.tables.keys())]
    extra += [f"the view `{name}` is not the ledger's" for name in sorted(inspector.get_view_names(schema))]
    extra += _revision_differences(connection)
    if connection.dialect.name == "sqlite":
        return broken, extra + sqlite_differences(connection, METADATA, sqlite_triggers())
    hidden, problems = server_differences(connection, METADATA, DELETABLE)
    return broken + hidden, extra + problems


def _column_differences(inspector: Inspector, table: Table, schema: str | None, dialect: Dialect) -> list[str]:
    def shape(kind: TypeEngine[Any]) -> str:
        return kind.compile(dialect).partition(" ")[0] if schema is None else kind.compile(dialect)

    found = {column["name"]: shape(column["type"]) for column in inspector.get_columns(table.name, schema)}
    expected = {column.name: shape(column.type) for column in table.columns}
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    problems = [f"the column `{table.name}.{name}` is not as the migrations make it" for name in names]
    key = inspector.get_pk_constraint(table.name, schema)["constrained_columns"]
    if key != [column.name for column in table.primary_key]:
        problems.append(f"the key of the table `{table.name}` is not as the migrations make it")
    return problems


def _revision_differences(connection: Connection) -> list[str]:
    rows = connection.exec_driver_sql(f"SELECT version_num FROM {REVISION_TABLE}").scalars().all()  # noqa: S608
    return [] if rows == [REVISION] else [f"the table `{REVISION_TABLE}` does not hold exactly `{REVISION}`"]
