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
