"""Whoever hands a selection out compares every decision's columns first, on either database."""

from __future__ import annotations

import pytest
from policy_audit.errors import VerificationError
from policy_audit.snapshot import open_snapshot

from tests.integration.tampering import Attack, sql
from tests.stores import Store

COPY = "CREATE TEMP TABLE t AS SELECT * FROM decision WHERE leaf_index = 3"


def add_behind_the_last(connection: object) -> None:
    for statement in (COPY, "UPDATE t SET leaf_index = 50", "INSERT INTO decision SELECT * FROM t"):
        sql(statement)(connection)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attack", "code", "named"),
    [
        (sql("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 3"), "view-changed", "entry 3"),
        (sql("DELETE FROM decision WHERE leaf_index = 10"), "view-changed", "entry 10"),
        (sql("UPDATE decision SET leaf_index = -5 WHERE leaf_index = 3"), "view-changed", "entry 3"),
        (add_behind_the_last, "view-changed", "50"),
        (sql("UPDATE log_entry SET recorded_at = '2020' WHERE leaf_index = 4"), "columns-changed", "entry 4"),
        (sql("UPDATE log_entry SET entry = X'7B7D' WHERE leaf_index = 4"), "tree-changed", "entry 4"),
        (sql("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE leaf_index = 4"), "tree-changed", "entry 4"),
        (sql("DELETE FROM log_entry WHERE leaf_index = 0"), "tree-changed", "entry 0"),
        (sql("DELETE FROM log_entry WHERE leaf_index = 10"), "view-changed", "entry 10"),
        (sql("DROP INDEX ix_decision_verdict"), "schema-changed", "`ix_decision_verdict`"),
    ],
)
def test_a_column_that_is_not_its_entrys_refuses_the_whole(
    filled: Store, attack: Attack, code: str, named: str
) -> None:
    with filled.administrator() as connection:
        attack(connection)
    with (
        filled.open(read_only=True) as ledger,
        open_snapshot(ledger) as snapshot,
        pytest.raises(VerificationError) as caught,
    ):
        snapshot.compare_view(ledger.verifier_key)
    assert caught.value.code == code
    assert named in caught.value.message
    assert caught.value.help


def test_undisturbed_every_tree_of_it_compares(filled: Store) -> None:
    with filled.open() as ledger:
        ledger.erase("owner3", reason="asked for")
        for size in (0, 1, 4, 10, 11, 12):
            with open_snapshot(ledger, size=size) as snapshot:
                snapshot.compare_view(ledger.verifier_key, persons=True)


def test_a_person_who_was_put_under_another_is_found_where_persons_are_asked_for(filled: Store) -> None:
    with filled.administrator() as connection:
        other = "(SELECT subject FROM personal WHERE leaf_index = 2)"
        connection.execute(f"UPDATE personal SET subject = {other} WHERE leaf_index = 1")
    with filled.open(read_only=True) as ledger, open_snapshot(ledger) as snapshot:
        snapshot.compare_view(ledger.verifier_key)
        with pytest.raises(VerificationError, match="entry 1"):
            snapshot.compare_view(ledger.verifier_key, persons=True)
