"""Least privilege on a real server: what each role may do is enough, and what it may not do the server refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from policy_audit import grants, migrate
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.schema import DELETABLE, DISPOSABLE
from policy_audit.tables import METADATA
from psycopg import errors

from tests.integration.granting import ERASER, READER, ROLES, WRITER, Granted
from tests.integration.tampering import decision
from tests.postgres import OWNER, Server
from tests.stores import Store

HOLD = Draft(EntryType.HOLD)
TABLES = sorted(METADATA.tables)


def refused(connection: psycopg.Connection, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedTable)) as caught:
        connection.execute(statement)
    assert isinstance(caught.value, errors.InsufficientPrivilege), statement


def test_the_writer_begins_appends_reads_and_verifies(granted: Granted) -> None:
    with open_ledger(granted.url(WRITER), key_path=granted.store.key) as ledger:
        assert ledger.created_verifier_key
        ledger.append_many([decision(number) for number in range(3)])
        assert ledger.find_decision("d-1").index == 1
        assert ledger.verify().ok
    with open_ledger(granted.url(WRITER), key_path=granted.store.key) as ledger:
        assert ledger.append(HOLD).index == 3


@pytest.mark.parametrize("role", [WRITER, READER])
def test_neither_changes_what_is_there(granted: Granted, role: str) -> None:
    for table in (*TABLES, "alembic_version"):
        refuse_all_changes(granted, role, table)


def refuse_all_changes(granted: Granted, role: str, table: str) -> None:
    with granted.connect(role) as connection:
        column = connection.execute(f"SELECT * FROM {table} LIMIT 0").description[0].name  # type: ignore[index]
        refused(connection, f"UPDATE {table} SET {column} = {column}")
        refused(connection, f"TRUNCATE {table}")
        refused(connection, f"SELECT * FROM {table} FOR UPDATE")
        if (role, table) != (WRITER, "once"):  # what is kept for a day, which every commit may find expired
            refused(connection, f"DELETE FROM {table}")
            refused(connection, f"DO 'BEGIN LOCK TABLE {table} IN EXCLUSIVE MODE; END'")
            refused(connection, f"MERGE INTO {table} USING (VALUES (1)) v(x) ON true WHEN MATCHED THEN DELETE")
        refused(connection, f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        refused(connection, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        refused(connection, f"CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING")
        refused(connection, f"DROP TABLE {table}")
        if role == READER or table in ("log_head", "alembic_version"):
            refused(connection, f"INSERT INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("role", ROLES)
def test_nobody_makes_objects_or_sets_the_triggers_aside(granted: Granted, role: str) -> None:
    with granted.connect(role) as connection:
        for statement in (
            "CREATE TABLE more (id INTEGER)",
            "CREATE FUNCTION public.f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
            "CREATE VIEW public.v AS SELECT 1",
            "CREATE TRIGGER t BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION policy_audit_refuse()",
            "CREATE OR REPLACE FUNCTION policy_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE OR REPLACE FUNCTION policy_audit_lock_head() RETURNS void LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION policy_audit_refuse() CASCADE",
            "SET session_replication_role = replica",
            f"SET ROLE {OWNER}",
        ):
            with pytest.raises((errors.InsufficientPrivilege, errors.InvalidFunctionDefinition)):
                connection.execute(statement)


def test_the_reader_verifies_and_cannot_write(granted: Granted) -> None:
    with open_ledger(granted.url(WRITER), key_path=granted.store.key) as ledger:
        ledger.append_many([decision(number) for number in range(3)])
        key = str(ledger.verifier_key)
    with open_ledger(granted.url(READER), read_only=True) as ledger:
        report = ledger.verify([key])
        assert report.ok, report.problems
        assert report.entries == 3
        ledger.receipt(1)
    with open_ledger(granted.url(READER), key_path=granted.store.key) as ledger:
        with pytest.raises(LedgerError) as caught:
            ledger.append(HOLD)
        assert caught.value.code == "ledger-rights"
    with granted.connect(READER) as connection:
        refused(connection, "SELECT policy_audit_lock_head()")


def test_a_reader_cannot_keep_the_writer_waiting(granted: Granted) -> None:
    with (
        open_ledger(granted.url(WRITER), key_path=granted.store.key) as ledger,
        granted.connect(READER) as connection,
        connection.transaction(),
    ):
        for table in TABLES:
            connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        connection.execute("SELECT pg_advisory_xact_lock(c.oid::bigint) FROM pg_class c")
        assert ledger.append(HOLD).index == 0


def test_the_eraser_deletes_where_rows_may_be_deleted_and_nowhere_else(granted: Granted) -> None:
    with open_ledger(granted.url(ERASER), key_path=granted.store.key) as ledger:
        ledger.append(decision(0))
        with granted.connect(ERASER) as connection:
            for table in sorted(METADATA.tables.keys() - DELETABLE - {DISPOSABLE}):
                refused(connection, f"DELETE FROM {table}")
            with pytest.raises(errors.RaiseException, match="append-only"):
                connection.execute(f"DELETE FROM {DISPOSABLE}")  # no disposal is on record
            for table in TABLES:
                refused(connection, f"TRUNCATE {table}")
            for table in sorted(DELETABLE):
                connection.execute(f"DELETE FROM {table}")
        ledger.append(Draft(EntryType.ERASURE, body={"erased": [{"index": 0, "name": "owner"}]}))
        assert ledger.verify().ok


def test_who_was_granted_nothing_reads_nothing(granted: Granted) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(granted.url("nobody_special"), read_only=True)
    assert caught.value.code == "ledger-rights"


def test_grants_take_away_what_was_there_before(granted: Granted) -> None:
    with granted.store.connection() as connection:
        connection.execute('GRANT ALL ON ALL TABLES IN SCHEMA public TO "reader", PUBLIC')
        connection.execute("GRANT CREATE ON SCHEMA public TO reader")
    grants.apply(granted.store.url, grants.Roles(reader=READER))
    with granted.connect(READER) as connection:
        refused(connection, "DELETE FROM personal")
        refused(connection, "CREATE TABLE public.more (id INTEGER)")
    with granted.connect("nobody_special") as connection:
        refused(connection, "SELECT * FROM personal")


@pytest.mark.parametrize("role", ["strong", OWNER, "heir", "all_data", "not_there"])
def test_a_role_that_may_do_more_is_refused(server_database: Store, roles: None, role: str) -> None:
    with pytest.raises(LedgerError) as caught:
        grants.apply(server_database.url, grants.Roles(writer=role))
    assert caught.value.code == "ledger-role"
    assert role in caught.value.message
    with open_ledger(server_database.url, key_path=server_database.key) as ledger:
        assert ledger.append(HOLD).index == 0, "the owner lost nothing by it"


def test_grants_by_another_than_the_owner_are_refused(granted: Granted) -> None:
    with pytest.raises(LedgerError):
        grants.apply(granted.url(WRITER), grants.Roles(reader=READER))


def test_grants_want_a_migrated_ledger(unmigrated: Store, roles: None) -> None:
    with pytest.raises(LedgerError) as caught:
        grants.apply(unmigrated.url, grants.Roles(writer=WRITER))
    assert caught.value.code == "ledger-not-migrated"


def test_the_statements_are_those_that_are_applied(
    unmigrated: Store, server: Server, roles: None, tmp_path: Path
) -> None:
    """In a schema whose name has to be quoted, by hand."""
    url = f"{unmigrated.url}&schema=a%25b%20%22c%22%27s"
    assert migrate.upgrade(url).current is None
    assert migrate.status(url).is_current
    with server.connect(unmigrated.database) as connection:
        for statement in grants.statements(url, grants.Roles(WRITER, READER)):
            connection.execute(statement)
    writer = f"{server.url(unmigrated.database, WRITER)}&schema=a%25b%20%22c%22%27s"
    with open_ledger(writer, key_path=tmp_path / "key") as ledger:
        assert ledger.append(decision(0)).index == 0
        report = ledger.verify()
        assert report.ok, report.problems
        assert "schema=a%b" in repr(ledger)
    with server.connect(unmigrated.database) as connection:
        assert connection.execute("SELECT to_regclass('public.log_entry')").fetchone() == (None,)


@pytest.mark.parametrize("names", [("", None), ("x" * 64, None), ("a\0", None), ("\udcff", None), ("same", "same")])
def test_names_that_are_none_are_refused(names: tuple[str, str | None]) -> None:
    with pytest.raises(LedgerError) as caught:
        grants.statements("postgresql+psycopg://localhost/x", grants.Roles(*names))
    assert caught.value.code == "ledger-role"
    assert caught.value.message.encode()


def test_a_writer_who_was_not_granted_anew_is_told_and_records_on(granted: Granted) -> None:
    assert grants.lacking(granted.url(WRITER)) == []
    assert grants.lacking(granted.store.url) == []
    with granted.connect(OWNER) as owner:
        owner.execute(f'REVOKE ALL ON once FROM "{WRITER}"')
    assert grants.lacking(granted.url(WRITER)) == ["DELETE on once", "INSERT on once", "SELECT on once"]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with open_ledger(granted.url(WRITER), key_path=granted.store.key, clock=lambda: now) as ledger:
        ledger.append(decision(0))
        for number in range(1, 4):  # past each time that what is old is due to be deleted
            now += timedelta(minutes=2)
            assert ledger.append(decision(number)).index == number
    with granted.open(ERASER) as ledger:
        assert ledger.verify().ok


def test_a_reader_lacks_all_that_a_writer_writes(granted: Granted) -> None:
    lacked = grants.lacking(granted.url(READER))
    assert "INSERT on log_entry" in lacked
    assert not [each for each in lacked if each.startswith("SELECT")]
