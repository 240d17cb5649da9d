"""The migrations and the models say the same, on both databases."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from policy_audit import migrate, names
from policy_audit.database import connect, locate
from policy_audit.errors import LedgerError
from policy_audit.ledger import open_ledger
from policy_audit.names import REVISION
from policy_audit.schema import DELETABLE, create_in_memory, differences, postgresql_triggers, sqlite_triggers
from policy_audit.tables import METADATA
from sqlmodel import SQLModel

from tests.stores import SQLITE, Store

pytestmark = pytest.mark.usefixtures("migrations")


@pytest.fixture
def path(tmp_path: Path, migrations: None) -> Path:
    path = tmp_path / "ledger.db"
    assert migrate.upgrade(f"sqlite:///{path}") == migrate.MigrationStatus(None, REVISION)
    return path


def test_the_constant_is_the_head_revision() -> None:
    assert ScriptDirectory.from_config(migrate.configuration()).get_heads() == [REVISION]


def test_the_migrated_schema_is_that_of_the_models(path: Path) -> None:
    database = connect(locate(f"sqlite:///{path}"))
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
        assert differences(connection) == ([], [])
    database.close()


def test_a_scratch_ledger_has_the_same_schema(path: Path) -> None:
    def shape(connection: sqlite3.Connection) -> set[tuple[str, str]]:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {(name, "".join(sql.split())) for name, sql in rows}

    database = connect(locate("sqlite:///:memory:"))
    with database.write() as connection:
        create_in_memory(connection)
        scratch = shape(connection.connection.driver_connection)  # type: ignore[arg-type]
    database.close()
    with contextlib.closing(sqlite3.connect(path)) as migrated:
        assert shape(migrated) == scratch


def test_upgrading_twice_changes_nothing(path: Path) -> None:
    url = f"sqlite:///{path}"
    assert migrate.upgrade(url).is_current
    assert migrate.status(url) == migrate.MigrationStatus(REVISION, REVISION)


def test_the_status_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        migrate.status(f"sqlite:///{tmp_path}/none.db")
    (tmp_path / "empty.db").touch()
    assert migrate.status(f"sqlite:///{tmp_path}/empty.db").current is None


def test_a_newer_or_another_schema_is_not_upgraded(path: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(LedgerError, match="newer"):
        migrate.upgrade(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE mine (id)")
        connection.commit()
    with pytest.raises(LedgerError, match="not a ledger"):
        migrate.upgrade(f"sqlite:///{tmp_path}/other.db")


def test_going_back_is_refused(path: Path) -> None:
    config = migrate.configuration()
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    with pytest.raises(NotImplementedError):
        command.downgrade(config, "base")


def test_upgrading_by_url_as_the_command_alembic_does(tmp_path: Path) -> None:
    config = migrate.configuration()
    config.set_main_option("sqlalchemy.url", f"sqlite:///{tmp_path}/by-url.db")
    command.upgrade(config, "head")
    with open_ledger(f"sqlite:///{tmp_path}/by-url.db") as ledger:
        assert ledger.verify().ok


def test_broken_installations_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "a" / "b" / "migrate.py"))
    with pytest.raises(LedgerError, match="not installed"):
        migrate.scripts()
    installed = tmp_path / "a" / "b" / "_migrations"
    (installed / "versions").mkdir(parents=True)
    (installed / "env.py").touch()
    assert migrate.scripts() == installed


def test_the_sql_for_postgresql() -> None:
    config = migrate.configuration()
    config.set_main_option("sqlalchemy.url", "postgresql+psycopg://")
    config.output_buffer = output = io.StringIO()
    command.upgrade(config, "head", sql=True)
    sql = output.getvalue()
    for table in METADATA.tables:
        assert f"CREATE TABLE {table} (" in sql
    for trigger in postgresql_triggers() - {"blob_disposal"}:
        assert f"CREATE TRIGGER {trigger} BEFORE UPDATE OR " in sql
    for table in ("personal", "subject_key", "blob"):
        assert f"BEFORE UPDATE OR TRUNCATE ON {table}" in sql
    assert "CREATE TRIGGER blob_disposal BEFORE DELETE ON blob FOR EACH ROW" in sql
    assert "CREATE FUNCTION policy_audit_refuse()" in sql
    assert "CREATE FUNCTION policy_audit_lock_head()" in sql
    assert "REVOKE ALL ON FUNCTION policy_audit_lock_head() FROM PUBLIC" in sql
    assert "BYTEA" in sql
    assert "leaf_index BIGINT" in sql
    assert 'decision_id TEXT COLLATE "C"' in sql
    assert "INSERT INTO log_head (id) VALUES (1)" in sql
    assert sql.rstrip().endswith("COMMIT;")


def test_the_models_stay_out_of_the_shared_metadata() -> None:
    assert not METADATA.tables.keys() & SQLModel.metadata.tables.keys()


@pytest.mark.parametrize("table", sorted(METADATA.tables))
def test_the_triggers_refuse_changes(store: Store, table: str) -> None:
    store.open().close()
    columns = METADATA.tables[table].columns
    key = columns.keys()[0]
    values = [
        "'1'" if column.type.python_type is str else "X'01'" if column.type.python_type is bytes else "1"
        for column in columns
    ]
    keys = ", ".join(column.name for column in METADATA.tables[table].primary_key)
    changes = [f"UPDATE {table} SET {key} = {key}"]
    if store.kind == SQLITE and table != "decision":  # whose rows are derived; see `sqlite_triggers`
        changes.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    elif store.kind == SQLITE:
        pass
    else:
        changes += [
            f"TRUNCATE {table}",
            f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({keys}) DO UPDATE SET {key} = 9",
        ]
    if table not in DELETABLE:
        changes.append(f"DELETE FROM {table}")
    if table != "log_head":
        with store.connection() as connection:
            connection.execute(f"INSERT INTO {table} VALUES ({','.join(values)}) ON CONFLICT DO NOTHING")
    for change in changes:
        with (
            pytest.raises((sqlite3.IntegrityError, psycopg.Error), match="append-only"),
            store.connection() as connection,
        ):
            connection.execute(change)
    if table in DELETABLE:
        with store.connection() as connection:
            connection.execute(f"DELETE FROM {table}")


def test_every_table_has_its_triggers() -> None:
    without = {"decision_no_replace", *(f"{name}_no_delete" for name in DELETABLE)}
    wanted = {f"{name}_no_{action}" for name in METADATA.tables for action in ("update", "delete", "replace")}
    assert sqlite_triggers().keys() == wanted - without
    assert len(postgresql_triggers()) == len(METADATA.tables) + 1


def test_the_names_that_appending_goes_by_are_those_of_the_tables() -> None:
    light = {table.name: [column.name for column in table.c] for table in vars(names).values() if hasattr(table, "c")}
    del light[names.REVISION_TABLE]  # Alembic's own
    defined = {table.name: [column.name for column in table.columns] for table in METADATA.sorted_tables}
    assert light == defined


def test_appending_to_a_current_ledger_loads_neither_the_table_definitions_nor_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    open_ledger(url).close()
    script = (
        "import sys; from policy_audit.ledger import open_ledger, Draft, EntryType\n"
        f"with open_ledger({url!r}) as ledger: ledger.append(Draft(EntryType.EXPORT))\n"
        "print(sorted({'sqlmodel', 'alembic', 'policy_audit.tables'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
