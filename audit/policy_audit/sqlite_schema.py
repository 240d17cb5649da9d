"""How a ledger's file differs from what the migrations make: what SQLite's own catalog says, every object of it.

Columns and keys are compared in `policy_audit.schema`; here is what stands beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.schema import CreateIndex

from policy_audit.names import REVISION_TABLE

_MOST_DAMAGE = 5
_WORD = re.compile(r"[^\s(),]+|[(),]")
#: All that the statement of a table may say beside names and types. A default, a check, another order of text, what
#: becomes of a conflict, a generated column or a comment takes some other word.
_PLAIN_WORDS = frozenset("( ) , CREATE TABLE NOT NULL PRIMARY KEY CONSTRAINT WITHOUT ROWID".split())
_KINDS = frozenset({"table", "index", "trigger", "view"})
_REVISION_COLUMN = ("version_num", 1, None, 1, 0)
#: Numbers in the file's header that SQLite keeps for applications; the ledger uses none.
_NUMBERS = ("user_version", "application_id")


def sqlite_differences(connection: Connection, metadata: MetaData, triggers: Mapping[str, str]) -> list[str]:
    """Return what differs, in words; `triggers` are the expected ones, by name."""
    tables = metadata.tables
    return [
        *_trigger_differences(connection, triggers),
        *_indexes(connection, tables),
        *_columns(connection, tables),
        *_statements(connection, tables),
        *_own_tables(connection),
        *_numbers(connection),
        *_damage(connection),
    ]


def _trigger_differences(connection: Connection, expected: Mapping[str, str]) -> list[str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    found = {str(name): str(sql) for name, sql in rows}
    missing = [name for name, sql in expected.items() if found.get(name) != sql]
    extra = found.keys() - expected.keys()
    return [f"the trigger `{name}` is missing or changed" for name in sorted(missing)] + [
        f"the trigger `{name}` is not the ledger's" for name in sorted(extra)
    ]


def _indexes(connection: Connection, tables: Mapping[str, Table]) -> list[str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    found = {str(name): _plain(str(sql)) for name, sql in rows}
    expected = {
        str(index.name): _plain(str(CreateIndex(index).compile(dialect=connection.dialect)))
        for table in tables.values()
        for index in table.indexes
    }
    return index_problems(found, expected)


def index_problems(found: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    """Say which indexes differ, where each is whatever can be compared."""
    changed = sorted(name for name in expected if found.get(name) != expected[name])
    return [f"the index `{name}` is missing or changed" for name in changed] + [
        f"the index `{name}` is not the ledger's" for name in sorted(found.keys() - expected.keys())
    ]


def _columns(connection: Connection, tables: Mapping[str, Table]) -> Iterator[str]:
    """Compare what a column is besides its name and type: may it be NULL, has it a default, is it generated."""
    expected = {
        name: {(str(c.name), int(not c.nullable), None, _place(table, c.name), 0) for c in table.columns}
        for name, table in tables.items()
    }
    expected[REVISION_TABLE] = {_REVISION_COLUMN}
    for name, columns in sorted(expected.items()):
        rows = connection.exec_driver_sql(f"PRAGMA table_xinfo({name})")
        found = {(row[1], *row[3:]) for row in rows}
        for column in sorted({str(row[0]) for row in found ^ columns}):
            yield f"the column `{name}.{column}` has another default or key, takes or refuses NULL, or is not there"


def _place(table: Table, column: str) -> int:
    key = [each.name for each in table.primary_key]
    return key.index(column) + 1 if column in key else 0


def _statements(connection: Connection, tables: Mapping[str, Table]) -> Iterator[str]:
    """Look in the statements that made the tables for what no catalog lists: checks, orders of text, conflicts."""
    words = {name: {str(c.name) for c in table.columns} | {name} for name, table in tables.items()}
    words[REVISION_TABLE] = {REVISION_TABLE, f"{REVISION_TABLE}_pkc", "version_num", "VARCHAR", "32"}
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    for name, sql in rows:
        if name not in words:
            continue
        allowed = _PLAIN_WORDS | words[name] | {"INTEGER", "TEXT", "BLOB"}
        said = [word for word in _WORD.findall(str(sql)) if word not in allowed]
        if said:
            yield f"the table `{name}` is made otherwise: `{said[0]!a:.40}`"


def _own_tables(connection: Connection) -> Iterator[str]:
    """SQLite's own tables, such as statistics, which nothing here makes, and which can hold anything.

    SQLite itself reads kinds and names in any case, so that a `TABLE`, or a table `SQLite_x`, is one, and whoever asks
    for kinds and names in lower case, as all else here does, is not told of it.
    """
    rows = connection.exec_driver_sql("SELECT type, name FROM sqlite_master ORDER BY name, type")
    for kind, name in rows:
        own = kind != "index" and str(name).lower().startswith("sqlite_")
        if own or kind not in _KINDS:
            yield f"the {str(kind).lower():.20} `{name}` is not the ledger's"


def _numbers(connection: Connection) -> Iterator[str]:
    for name in _NUMBERS:
        if (value := connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) != 0:
            yield f"the file's `{name}` is {value}: the ledger uses none"


def _damage(connection: Connection) -> list[str]:
    """What SQLite finds wrong in its file: an index that hides rows of its table, above all."""
    rows = connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_DAMAGE})").scalars().all()
    return [] if rows == ["ok"] else [f"the file is damaged: {row!s:.200}" for row in rows]


def _plain(sql: str) -> str:
    return "".join(sql.split())
