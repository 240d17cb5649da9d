"""Ledgers as older revisions of the schema held them, made by the revisions themselves."""

from __future__ import annotations

import shutil

from alembic import command
from policy_audit.database import connect, locate, use_write_ahead_log
from policy_audit.migrate import configuration
from policy_audit.sqlite_file import create_sqlite_file
from policy_audit.tables import METADATA

from tests.stores import Store

_SINCE_0002 = {"decision": ("run", "tag_set")}
_TABLES = ("log_entry", "log_checkpoint", "blob", "decision")


def make(target: Store, source: Store, revision: str) -> Store:
    """Make at `target` what `source` holds, at an older revision, with its personal values in plain text.

    The signing key goes along; there was no personal key.
    """
    _migrate(target, revision)
    shutil.copy2(source.key, target.key)
    _fill(target, source, revision)
    return target


def _migrate(target: Store, revision: str) -> None:
    if target.path is not None:
        create_sqlite_file(target.path)
    database = connect(locate(target.url))
    if target.path is not None:
        use_write_ahead_log(database)
    with database.write(patient=True) as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    database.close()


def _fill(target: Store, source: Store, revision: str) -> None:
    with source.open(read_only=True) as ledger:
        plain = [
            (entry.index, name, each.salt, each.value)
            for entry in ledger.walk()
            for name, each in ledger.disclosures(entry.index).items()
        ]
    with source.connection() as old, target.connection() as connection:
        for table in (*_TABLES, *(("tag_set", "tag") if revision > "0001" else ())):
            newer = _SINCE_0002.get(table, ()) if revision == "0001" else ()
            names = [column.name for column in METADATA.tables[table].columns if column.name not in newer]
            given = ", ".join("?" * len(names))
            for row in old.execute(f"SELECT {', '.join(names)} FROM {table}"):
                connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({given})", row)
        for value in plain:
            connection.execute("INSERT INTO personal (leaf_index, name, salt, value) VALUES (?, ?, ?, ?)", value)


def make_sealed(target: Store, source: Store) -> Store:
    """Make at `target` what `source` holds, at revision 0003, whose tables had what they have now; keys go along."""
    _migrate(target, "0003")
    for old_key, key in ((source.key, target.key), (source.personal_key, target.personal_key)):
        shutil.copy2(old_key, key)
    with source.connection() as old, target.connection() as connection:
        for table in sorted(METADATA.tables.keys() - {"once", "log_head"}):
            names = [column.name for column in METADATA.tables[table].columns]
            given = ", ".join("?" * len(names))
            for row in old.execute(f"SELECT {', '.join(names)} FROM {table}"):
                connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({given})", row)
    return target
