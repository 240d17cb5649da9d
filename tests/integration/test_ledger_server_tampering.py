"""What an administrator of a server can do that a file has no words for, and what finds it."""

from __future__ import annotations

import psycopg
import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import DecisionFilter, open_ledger

from tests.integration.tampering import decision, failed, verify
from tests.postgres import OWNER, Server
from tests.stores import Store

NOTHING = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
SWAP = "CREATE OR REPLACE FUNCTION policy_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
UNDISPOSED = SWAP.replace("refuse()", "refuse_undisposed()").replace("RETURN NULL", "RETURN OLD")
SAME = "CREATE FUNCTION same({0}, varchar) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2::text{1}'"
OPERATORS = (
    SAME.format("text", " AND $2 <> ''deny''"),
    "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = varchar, FUNCTION = same)",
    SAME.format("name", ""),  # or names would fit the other as well as the system's
    "CREATE OPERATOR = (LEFTARG = name, RIGHTARG = varchar, FUNCTION = same)",
)
LOCK = "CREATE OR REPLACE FUNCTION policy_audit_lock_head() RETURNS void LANGUAGE plpgsql SECURITY DEFINER"


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["DROP TRIGGER blob_append_only ON blob"], "the trigger `blob_append_only` is missing or changed"),
        (["ALTER TABLE blob DISABLE TRIGGER ALL"], "the trigger `blob_append_only` is missing or changed"),
        (["ALTER TABLE blob ENABLE REPLICA TRIGGER blob_append_only"], "`blob_append_only` is missing or changed"),
        (
            [
                "DROP TRIGGER blob_append_only ON blob",
                "CREATE TRIGGER blob_append_only BEFORE TRUNCATE ON blob "
                "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()",
            ],
            "the trigger `blob_append_only` is missing or changed",
        ),
        (
            [
                "DROP TRIGGER blob_append_only ON blob",
                "CREATE TRIGGER blob_append_only BEFORE UPDATE OF digest OR TRUNCATE ON blob "
                "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()",
            ],
            "the trigger `blob_append_only` is missing or changed",
        ),
        (
            [
                "DROP TRIGGER blob_append_only ON blob",
                "CREATE TRIGGER blob_append_only BEFORE UPDATE OR TRUNCATE ON blob "
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION policy_audit_refuse()",
            ],
            "the trigger `blob_append_only` is missing or changed",
        ),
        (
            [
                NOTHING,
                "DROP TRIGGER blob_append_only ON blob",
                "CREATE TRIGGER blob_append_only BEFORE UPDATE OR TRUNCATE ON blob "
                "FOR EACH STATEMENT EXECUTE FUNCTION nothing()",
            ],
            "the trigger `blob_append_only` is missing or changed",
        ),
        (["DROP TRIGGER blob_disposal ON blob"], "the trigger `blob_disposal` is missing or changed"),
        (
            [
                "DROP TRIGGER blob_disposal ON blob",
                "CREATE TRIGGER blob_disposal BEFORE DELETE ON blob "
                "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse_undisposed()",
            ],
            "the trigger `blob_disposal` is missing or changed",
        ),
        ([UNDISPOSED], "the function `policy_audit_refuse_undisposed` is missing or changed"),
        ([SWAP], "the function `policy_audit_refuse` is missing or changed"),
        (["ALTER FUNCTION policy_audit_refuse() SECURITY DEFINER"], "`policy_audit_refuse` is missing or changed"),
        (["ALTER FUNCTION policy_audit_refuse() SET role = 'x'"], "`policy_audit_refuse` is missing or changed"),
        (["ALTER FUNCTION policy_audit_lock_head() SECURITY INVOKER"], "`policy_audit_lock_head` is missing"),
        (["ALTER FUNCTION policy_audit_lock_head() RESET ALL"], "`policy_audit_lock_head` is missing or changed"),
        (
            ["ALTER FUNCTION policy_audit_lock_head() SET search_path = evil, public"],
            "the function `policy_audit_lock_head` is missing or changed",
        ),
        (
            [f"{LOCK} SET search_path = public, pg_temp AS 'BEGIN END'"],
            "`policy_audit_lock_head` is missing or changed",
        ),
        (["DROP FUNCTION policy_audit_lock_head()"], "the function `policy_audit_lock_head` is missing or changed"),
        (
            ["CREATE ROLE {role}", "ALTER FUNCTION policy_audit_lock_head() OWNER TO {role}"],
            "the function `policy_audit_lock_head` is missing or changed",
        ),
        (
            [NOTHING, "CREATE TRIGGER more BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION nothing()"],
            "the trigger `more` of the table `log_entry` is not the ledger's",
        ),
        (
            ["CREATE RULE more AS ON INSERT TO decision DO INSTEAD NOTHING"],
            "the rule `more` of the table `decision` is not the ledger's",
        ),
        (
            ["CREATE RULE more AS ON UPDATE TO alembic_version DO INSTEAD NOTHING"],
            "the rule `more` of the table `alembic_version` is not the ledger's",
        ),
        (["ALTER TABLE personal ADD CHECK (name <> 'approver')"], "`personal_name_check` of the table `personal`"),
        (["ALTER TABLE blob SET UNLOGGED"], "the table `blob` is emptied by a crash: it is unlogged"),
        (
            ["CREATE SCHEMA evil", "CREATE TABLE evil.more () INHERITS (log_entry)"],
            "the table `log_entry` shares rows with another by inheritance",
        ),
        (["INSERT INTO alembic_version VALUES ('9999')"], "`alembic_version` does not hold exactly `0004`"),
        (["ALTER TABLE alembic_version ADD more TEXT"], "the column `alembic_version.more` has another default"),
        (
            ["ALTER TABLE decision ALTER verdict SET DEFAULT 'allow'"],
            "the column `decision.verdict` has another default",
        ),
        (["ALTER TABLE decision ALTER verdict DROP NOT NULL"], "the column `decision.verdict` has another default"),
        (
            ["ALTER TABLE decision ALTER leaf_index ADD GENERATED BY DEFAULT AS IDENTITY"],
            "the column `decision.leaf_index` has another default",
        ),
        (["CREATE SEQUENCE more"], "the sequence `more` is not the ledger's"),
        (["CREATE TYPE more AS (n INTEGER)"], "the type `more` is not the ledger's"),
        (["CREATE TYPE more AS ENUM ('n')"], "the type `more` is not the ledger's"),
        (['CREATE COLLATION more FROM "C"'], "the collation `more` is not the ledger's"),
        ([NOTHING], "the function `nothing` is not the ledger's"),
        (
            ["DROP INDEX ix_decision_run", "CREATE INDEX ix_decision_run ON decision (run) WHERE run > 'x'"],
            "the index `ix_decision_run` is missing or changed",
        ),
        (
            ["DROP INDEX ix_decision_id", "CREATE INDEX ix_decision_id ON decision (decision_id DESC)"],
            "the index `ix_decision_id` is missing or changed",
        ),
        (
            ["DROP INDEX ix_decision_id", "CREATE INDEX ix_decision_id ON decision USING hash (decision_id)"],
            "the index `ix_decision_id` is missing or changed",
        ),
        (["CREATE INDEX more ON alembic_version ((version_num || 'x'))"], "the index `more` is not the ledger's"),
        (["CREATE VIEW more AS SELECT 1"], "the view `more` is not the ledger's"),
        (["CREATE MATERIALIZED VIEW more AS SELECT 1"], "the materialized view `more` is not the ledger's"),
        (
            ["ALTER TABLE decision RENAME TO decisions", "CREATE VIEW decision AS SELECT * FROM decisions"],
            "the table `decision` is missing",
        ),
        (["ALTER TABLE decision ALTER verdict TYPE VARCHAR(9)"], "the column `decision.verdict` is not as the"),
        (['ALTER TABLE decision ALTER verdict TYPE TEXT COLLATE "default"'], "the column `decision.verdict` is not"),
        (["ALTER TABLE personal DROP CONSTRAINT personal_pkey"], "the key of the table `personal` is not as the"),
        (["GRANT CREATE ON SCHEMA public TO PUBLIC"], "the role `PUBLIC` may create objects in the ledger's schema"),
        (
            ["CREATE ROLE {role}", "GRANT CREATE ON SCHEMA public TO {role}"],
            "may create objects in the ledger's schema",
        ),
        (
            ["ALTER TABLE log_entry ENABLE ROW LEVEL SECURITY"],
            "row level security may hide rows of the table `log_entry`",
        ),
        (
            ["CREATE POLICY more ON log_entry USING (false)"],
            "row level security may hide rows of the table `log_entry`",
        ),
    ],
)
def test_a_change_of_the_schema_is_found(on_server: Store, statements: list[str], problem: str) -> None:
    with on_server.connection() as connection:
        for statement in statements:
            connection.execute(statement.replace("{role}", f"role_{on_server.database}"))
    report = verify(on_server)
    assert failed(report) == ["schema"]
    assert any(problem in each for each in report.problems), report.problems
    with on_server.connection() as connection:
        connection.execute(f"DROP OWNED BY role_{on_server.database}") if "{role}" in "".join(statements) else None


def test_undisturbed_it_verifies(on_server: Store) -> None:
    report = verify(on_server)
    assert report.ok, report.problems


def test_an_operator_in_the_schema_that_hides_decisions_is_found(on_server: Store) -> None:
    """Of two operators the one that fits its operands better is taken, wherever it stands on the search path."""
    with on_server.connection() as connection:
        for statement in OPERATORS:
            connection.execute(statement)
    with on_server.open(read_only=True) as ledger:
        assert not ledger.list_decisions(DecisionFilter(verdict="deny")), "the attack does what it is for"
        report = ledger.verify()
    assert failed(report) == ["schema"]
    step = report.step("schema")
    assert step.problems == 4, "two functions and two operators"


def test_an_index_that_is_not_kept_up_is_found(on_server: Store) -> None:
    with on_server.connection() as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 'decision_pkey'::regclass")
    report = verify(on_server)
    assert failed(report) == ["schema"]
    assert report.problems == ["the index `decision_pkey` is missing or changed"]


def test_what_is_edited_while_triggers_are_set_aside_is_found(on_server: Store) -> None:
    with on_server.connection() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 3")
    report = verify(on_server)
    assert failed(report) == ["view"], "no trigger was touched"
    assert report.first_failing_index == 3


@pytest.mark.parametrize("force", ["", "; ALTER TABLE log_entry FORCE ROW LEVEL SECURITY"])
def test_rows_that_a_policy_hides_from_the_reader_are_not_passed_over(
    on_server: Store, server: Server, force: str
) -> None:
    """The last entry and its checkpoint are hidden: what is left would verify."""
    role = f"role_{on_server.database}"
    with on_server.open() as ledger:
        keys = [str(ledger.verifier_key)]
    with on_server.connection() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    with open_ledger(server.url(on_server.database, role), read_only=True) as ledger:
        assert ledger.verify(keys).ok
        with on_server.connection() as connection:
            for table, column in (("log_entry", "leaf_index < 10"), ("log_checkpoint", "size < 11")):
                connection.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY{force}")
                connection.execute(f"CREATE POLICY p ON {table} USING ({column})")
        with server.connect(on_server.database, role) as hidden:
            assert hidden.execute("SELECT max(leaf_index) FROM log_entry").fetchone() == (9,)
        report = ledger.verify(keys)
        assert failed(report) == ["schema"]
        assert "row level security may hide rows" in report.problems[0]
        for read in (ledger.list_entries, ledger.checkpoint, lambda: ledger.entry(3)):
            with pytest.raises(LedgerError, match="row level security") as caught:
                read()
            assert caught.value.code == "ledger-tampered"
    with on_server.connection() as connection:
        connection.execute(f"DROP OWNED BY {role}")


@pytest.mark.parametrize("table", ["log_entry", "log_checkpoint", "decision", "personal", "blob"])
@pytest.mark.parametrize(
    "attack",
    [
        "CREATE RULE more AS ON INSERT TO {} DO INSTEAD NOTHING",
        f"{NOTHING}; CREATE TRIGGER more BEFORE INSERT ON {{}} FOR EACH ROW EXECUTE FUNCTION nothing()",
    ],
)
def test_an_entry_that_the_server_drops_is_not_acknowledged(on_server: Store, table: str, attack: str) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(attack.format(table))
        for drafts in ([decision(11)], [decision(number) for number in range(11, 14)]):
            with pytest.raises(LedgerError) as caught:
                ledger.append_many(drafts)
            assert caught.value.code == "ledger-tampered"
            assert f"`{table}`" in caught.value.message
        assert failed(ledger.verify()) == ["schema"]
        assert len(ledger.list_entries()) == 11


def test_a_table_or_function_that_a_role_puts_first_is_not_found(on_server: Store, server: Server) -> None:
    """An older copy of the ledger stands in a schema that the database puts first, with operators of its own."""
    tables = ("log_head", "log_entry", "log_checkpoint", "blob", "personal", "decision", "alembic_version")
    with on_server.connection() as connection:
        connection.execute("CREATE SCHEMA evil")
        for table in tables:
            connection.execute(f"CREATE TABLE evil.{table} AS SELECT * FROM public.{table}")
        connection.execute("DELETE FROM evil.log_entry WHERE leaf_index = 10")
        connection.execute("DELETE FROM evil.log_checkpoint WHERE size = 11")
        connection.execute("CREATE FUNCTION evil.policy_audit_lock_head() RETURNS void LANGUAGE sql AS ''")
        never = "CREATE FUNCTION evil.{}({}) RETURNS {} LANGUAGE sql AS 'SELECT {}'"
        connection.execute(never.format("set_config", "text, text, boolean", "text", "NULL::text"))
        connection.execute(never.format("same", "text, varchar", "boolean", "false"))
        connection.execute("CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = varchar, FUNCTION = evil.same)")
        connection.execute(f"ALTER DATABASE {on_server.database} SET search_path = evil, public, pg_catalog")
        connection.execute(f"ALTER ROLE {OWNER} IN DATABASE {on_server.database} SET search_path = evil, pg_catalog")
    with server.connect(on_server.database) as other:
        assert other.execute("SELECT max(leaf_index) FROM log_entry").fetchone() == (9,), "the attack works elsewhere"
    with on_server.open() as ledger:
        assert ledger.append(decision(11)).index == 11
        assert ledger.find_decision("d-11").index == 11
        report = ledger.verify()
        assert (report.ok, report.entries) == (True, 12), report.problems
    with on_server.connection() as connection:
        assert connection.execute("SELECT count(*) FROM evil.log_entry") == [(10,)]
        assert connection.execute("SELECT count(*) FROM public.log_entry") == [(12,)]


def test_temporary_tables_are_not_found_either(on_server: Store) -> None:
    with on_server.open() as ledger:
        with ledger._database.read() as connection:
            driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.execute("CREATE TEMP TABLE log_entry AS SELECT * FROM public.log_entry WHERE leaf_index < 5")
        assert ledger.entry(10).index == 10
        assert ledger.append(decision(11)).index == 11
        assert ledger.verify().ok


@pytest.mark.parametrize("setting", ["synchronous_commit = off", "row_security = on", "lock_timeout = 0"])
def test_what_a_database_sets_does_not_weaken_a_commit(on_server: Store, setting: str) -> None:
    with on_server.connection() as connection:
        connection.execute(f"ALTER DATABASE {on_server.database} SET {setting}")
    name, _, weak = setting.partition(" = ")
    with on_server.open() as ledger, ledger._database.write() as connection:
        found = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        assert found == {"synchronous_commit": "on", "row_security": "off", "lock_timeout": "10s"}[name] != weak
