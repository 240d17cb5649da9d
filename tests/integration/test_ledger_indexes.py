"""Indexes: what lists are read by can hide what a table holds, so that they are compared, and the file is checked."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from policy_audit.ledger import DecisionFilter

from tests.integration.tampering import failed, verify
from tests.stores import Store


def test_an_index_that_hides_rows_is_found(in_file: Store) -> None:
    """Made anew without one row, under the words of the old one: lists miss the row, and every entry is there."""
    name, hidden = "ix_decision_verdict", 5
    with closing(sqlite3.connect(in_file.path, isolation_level=None)) as connection:  # type: ignore[arg-type]
        (words,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        connection.execute(f"DROP INDEX {name}")
        connection.execute(f"{words} WHERE leaf_index <> {hidden}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (words, name))
    with in_file.open(read_only=True) as ledger:
        rows = ledger.list_decisions(DecisionFilter(verdict="deny"))
        assert hidden not in {row.index for row in rows}, "the attack does what it is for"
    report = verify(in_file)
    assert failed(report) == ["schema"]
    assert "damaged" in str(report.step("schema").first_problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DROP INDEX ix_decision_verdict", "the index `ix_decision_verdict` is missing or changed"),
        ("CREATE UNIQUE INDEX mine ON log_entry (type, leaf_index)", "the index `mine` is not the ledger's"),
        (
            "DROP INDEX ix_decision_valid_until; CREATE INDEX ix_decision_valid_until ON decision (verdict)",
            "the index `ix_decision_valid_until` is missing or changed",
        ),
        ("INSERT INTO alembic_version VALUES ('9999')", "the table `alembic_version` does not hold exactly"),
    ],
)
def test_a_changed_index_or_revision_is_found(filled: Store, change: str, problem: str) -> None:
    with filled.administrator() as connection:
        for statement in change.split("; "):
            connection.execute(statement)
    report = verify(filled)
    assert failed(report) == ["schema"]
    assert str(report.step("schema").first_problem).startswith(problem)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["INSERT INTO alembic_version VALUES ('9999')"], "`alembic_version` does not hold exactly `0004`"),
        (["ALTER TABLE alembic_version ADD more TEXT"], "the column `alembic_version.more` has another default"),
        (["CREATE TRIGGER more AFTER INSERT ON alembic_version BEGIN SELECT 1; END"], "the trigger `more` is not"),
        (
            ["ALTER TABLE decision ADD more TEXT AS ('x')"],
            "the column `decision.more` is not as the migrations make it",
        ),
        (["ANALYZE"], "the table `sqlite_stat1` is not the ledger's"),
        (["PRAGMA user_version = 7"], "the file's `user_version` is 7: the ledger uses none"),
        (["PRAGMA application_id = 7"], "the file's `application_id` is 7: the ledger uses none"),
        (["CREATE VIRTUAL TABLE more USING fts5(n)"], "the table `more` is not the ledger's"),
        (["CREATE INDEX more ON alembic_version (version_num || 'x')"], "the index `more` is not the ledger's"),
    ],
)
def test_what_the_ledger_did_not_make_is_found(in_file: Store, statements: list[str], problem: str) -> None:
    with closing(sqlite3.connect(in_file.path, isolation_level=None)) as connection:  # type: ignore[arg-type]
        for statement in statements:
            connection.execute(statement)
    step = verify(in_file).step("schema")
    assert step.status == "failed"
    assert problem in str(step.first_problem)


@pytest.mark.parametrize("change", ["type = upper(type)", "type = 'Table'", "NAME"])
@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("table", "CREATE TABLE xxlite_more (n)"),
        ("view", "CREATE VIEW xxlite_more AS SELECT 1"),
        ("trigger", "CREATE TRIGGER xxlite_more AFTER DELETE ON personal BEGIN SELECT 1; END"),
        ("index", "CREATE INDEX xxlite_more ON alembic_version (version_num || 'x')"),
    ],
)
def test_no_word_in_capitals_hides_what_the_ledger_did_not_make(
    in_file: Store, kind: str, statement: str, change: str
) -> None:
    """SQLite takes kinds and names in any case; a hidden trigger and table could keep what an erasure destroys."""
    if change == "NAME":
        change = "name = 'SQlite_more', tbl_name = replace(tbl_name, 'xx', 'SQ'), sql = replace(sql, 'xx', 'SQ')"
    elif "Table" in change:
        change = f"type = '{kind.title()}'"
    with closing(sqlite3.connect(in_file.path, isolation_level=None)) as connection:  # type: ignore[arg-type]
        connection.execute(statement)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(f"UPDATE sqlite_master SET {change} WHERE name = 'xxlite_more'")
    with closing(sqlite3.connect(in_file.path)) as connection:  # type: ignore[arg-type]
        connection.execute("SELECT 1 FROM log_head").fetchall()  # SQLite takes it
    report = verify(in_file)
    assert failed(report) == ["schema"]
    assert f"the {kind} `" in report.problems[0]


@pytest.mark.parametrize(
    ("table", "old", "new", "problem"),
    [
        ("decision", "verdict TEXT NOT NULL", "verdict TEXT DEFAULT 'allow' NOT NULL", "the column `decision.verdict`"),
        ("decision", "verdict TEXT NOT NULL", "verdict TEXT", "the column `decision.verdict` has another default"),
        ("decision", "verdict TEXT NOT", "verdict TEXT COLLATE NOCASE NOT", "the table `decision` is made otherwise"),
        (
            "decision",
            "verdict TEXT NOT NULL",
            "verdict TEXT CHECK(1) NOT NULL",
            "the table `decision` is made otherwise",
        ),
        (
            "decision",
            "KEY (leaf_index)",
            "KEY (leaf_index) ON CONFLICT IGNORE",
            "the table `decision` is made otherwise",
        ),
        ("blob", "KEY (digest)", "KEY (digest) ON CONFLICT REPLACE", "the table `blob` is made otherwise: `'ON'`"),
        ("alembic_version", "NOT NULL", "NOT NULL /* and more */", "the table `alembic_version` is made otherwise"),
    ],
)
def test_a_table_that_is_made_otherwise_is_found(in_file: Store, table: str, old: str, new: str, problem: str) -> None:
    with closing(sqlite3.connect(in_file.path, isolation_level=None)) as connection:  # type: ignore[arg-type]
        connection.execute("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?"
        connection.execute(change, (old, new, table))
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        assert new in sql
    report = verify(in_file)
    assert failed(report) == ["schema"]
    assert problem in report.problems[0]
