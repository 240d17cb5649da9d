"""What decisions are asked by: sets of tags, stored once and derived again by verification."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policy_audit.ledger import Draft

from tests.integration.tampering import decision, failed, file_alone, verify
from tests.stores import Store

ONE = {"rule": ["b-rule", "a-rule"], "criterion": ["DATA-01"], "model": ["gpt-4o"], "regulation": []}
OTHER = {"rule": ["a-rule"], "deployment": ["edge"]}


def tagged(number: int, tags: dict[str, list[str]]) -> Draft:
    return replace(decision(number), tags=tags)


@pytest.fixture
def filled(store: Store) -> Store:
    with store.open() as ledger:
        ledger.append(tagged(0, ONE))
        ledger.append(decision(1))
        ledger.append_many([tagged(2, OTHER), tagged(3, ONE), tagged(4, OTHER)])
    with store.open() as ledger:
        ledger.append(tagged(5, ONE))
    return store


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    with store.connection() as connection:
        return list(connection.execute(query))


def test_a_set_of_tags_is_stored_once_under_the_first_decision_that_has_it(filled: Store) -> None:
    assert rows(filled, "SELECT tag_set FROM decision ORDER BY leaf_index") == [(0,), (None,), (2,), (0,), (2,), (0,)]
    assert rows(filled, "SELECT id FROM tag_set ORDER BY id") == [(0,), (2,)]
    assert rows(filled, "SELECT tag_set, kind, value FROM tag ORDER BY 1, 2, 3") == [
        (0, "criterion", "DATA-01"),
        (0, "model", "gpt-4o"),
        (0, "rule", "a-rule"),
        (0, "rule", "b-rule"),
        (2, "deployment", "edge"),
        (2, "rule", "a-rule"),
    ]
    assert verify(filled).ok


@pytest.mark.parametrize(
    ("attack", "index"),
    [
        ("UPDATE decision SET tag_set = 2 WHERE leaf_index = 3", 3),
        ("UPDATE decision SET tag_set = NULL WHERE leaf_index = 3", 3),
        ("UPDATE decision SET tag_set = 0 WHERE leaf_index = 1", 1),
        ("UPDATE decision SET tag_set = 99 WHERE leaf_index = 4", 4),
        ("UPDATE decision SET run = 'other' WHERE leaf_index = 4", 4),
        ("UPDATE tag SET value = 'c-rule' WHERE tag_set = 0 AND value = 'b-rule'", 0),
        ("DELETE FROM tag WHERE tag_set = 2 AND kind = 'deployment'", 2),
        ("INSERT INTO tag VALUES (2, 'rule', 'b-rule')", 2),
        ("INSERT INTO tag VALUES (1, 'rule', 'b-rule')", 1),
        ("INSERT INTO tag VALUES (77, 'rule', 'b-rule')", 77),
        ("DELETE FROM tag_set WHERE id = 2", 2),
        ("INSERT INTO tag_set VALUES (1, X'00')", 1),
        ("INSERT INTO tag_set VALUES (88, X'00')", 88),
        ("UPDATE tag_set SET digest = X'00' WHERE id = 0", 0),
    ],
)
def test_a_changed_tag_is_found(filled: Store, attack: str, index: int) -> None:
    with filled.administrator() as connection:
        connection.execute(attack)
    report = verify(filled)
    assert failed(report) == ["view"]
    assert report.step("view").first_index == index


@file_alone
def test_a_reference_that_is_no_number_is_found(filled: Store) -> None:
    with filled.administrator() as connection:
        connection.execute("UPDATE decision SET tag_set = 'x' WHERE leaf_index = 4")
    assert verify(filled).step("view").first_index == 4


def test_a_second_set_with_the_same_tags_is_found(filled: Store) -> None:
    with filled.administrator() as connection:
        connection.execute("DROP INDEX ix_tag_set_digest")
        connection.execute("INSERT INTO tag_set SELECT 3, digest FROM tag_set WHERE id = 0")
        connection.execute("INSERT INTO tag SELECT 3, kind, value FROM tag WHERE tag_set = 0")
        connection.execute("UPDATE decision SET tag_set = 3 WHERE leaf_index IN (3, 5)")
    assert "a set of tags is stored twice" in verify(filled).problems


def test_two_thousand_decisions_in_one_commit_share_their_sets(store: Store) -> None:
    drafts = [tagged(number, {"rule": [f"r-{number % 40}", "a-rule"], "model": ["gpt-4o"]}) for number in range(2000)]
    with store.open() as ledger:
        recorded = ledger.append_many(drafts)
        assert [(each.index, each.tree_size) for each in recorded] == [(index, 2000) for index in range(2000)]
        report = ledger.verify()
        assert report.ok, report.problems
    assert rows(store, "SELECT count(*), count(DISTINCT tag_set), min(tag_set), max(tag_set) FROM decision") == [
        (2000, 40, 0, 39)
    ]
    assert rows(store, "SELECT count(*) FROM tag_set") == [(40,)]
    assert rows(store, "SELECT count(*) FROM tag") == [(120,)]
    assert rows(store, "SELECT count(*) FROM log_checkpoint") == [(2,)]
