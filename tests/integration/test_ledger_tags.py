"""What decisions are asked by: sets of tags, stored once and derived again by verification; and older ledgers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from policy_audit.database import connect, create_sqlite_file, locate, use_write_ahead_log
from policy_audit.ledger import Draft, open_ledger
from policy_audit.migrate import configuration
from policy_audit.names import REVISION

from tests.integration.tampering import decision, failed, verify
from tests.stores import Store

ONE = {"rule": ["b-rule", "a-rule"], "criterion": ["DATA-01"], "model": ["gpt-4o"], "regulation": []}
OTHER = {"rule": ["a-rule"], "deployment": ["edge"]}


def tagged(number: int, tags: dict[str, list[str]]) -> Draft:
    return replace(decision(number), tags=tags)


@pytest.fixture
def tags(store: Store) -> Store:
    """A ledger of six decisions, five of them with tags; the last was recorded by a program started anew."""
    with store.open() as ledger:
        ledger.append(tagged(0, ONE))
        ledger.append(decision(1))
        ledger.append_many([tagged(2, OTHER), tagged(3, ONE), tagged(4, OTHER)])
    with store.open() as ledger:
        ledger.append(tagged(5, ONE))
    return store


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    with store.connection() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_set_of_tags_is_stored_once_under_the_first_decision_that_has_it(tags: Store) -> None:
    assert rows(tags, "SELECT tag_set FROM decision ORDER BY leaf_index") == [(0,), (None,), (2,), (0,), (2,), (0,)]
    assert rows(tags, "SELECT id FROM tag_set ORDER BY id") == [(0,), (2,)]
    assert rows(tags, "SELECT tag_set, kind, value FROM tag ORDER BY 1, 2, 3") == [
        (0, "criterion", "DATA-01"),
        (0, "model", "gpt-4o"),
        (0, "rule", "a-rule"),
        (0, "rule", "b-rule"),
        (2, "deployment", "edge"),
        (2, "rule", "a-rule"),
    ]
    assert verify(tags).ok


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
def test_a_changed_tag_is_found(tags: Store, attack: str, index: int) -> None:
    with tags.administrator() as connection:
        connection.execute(attack)
    report = verify(tags)
    assert failed(report) == ["view"]
    assert report.step("view").first_index == index


def test_a_set_that_is_no_number_is_found(in_file: Store) -> None:
    with in_file.administrator() as connection:
        connection.execute("UPDATE decision SET tag_set = 'x' WHERE leaf_index = 4")
    assert verify(in_file).step("view").first_index == 4


def test_a_second_set_with_the_same_tags_is_found(tags: Store) -> None:
    with tags.administrator() as connection:
        connection.execute("DROP INDEX ix_tag_set_digest")
        connection.execute("INSERT INTO tag_set SELECT 3, digest FROM tag_set WHERE id = 0")
        connection.execute("INSERT INTO tag SELECT 3, kind, value FROM tag WHERE tag_set = 0")
        connection.execute("UPDATE decision SET tag_set = 3 WHERE leaf_index IN (3, 5)")
    assert "a set of tags is stored twice" in verify(tags).problems


def old(path: Path, fill: Callable[[sqlite3.Connection], object]) -> None:
    """Make a ledger at the first revision."""
    create_sqlite_file(path)
    database = connect(locate(f"sqlite:///{path}"))
    use_write_ahead_log(database)
    with database.write() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        fill(connection)
        connection.commit()


def version(path: Path) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_ledger_of_the_first_revision_is_migrated_and_goes_on(tmp_path: Path) -> None:
    source, path = tmp_path / "source.db", tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{source}", key_path=tmp_path / "ledger.db.key") as ledger:
        ledger.append_many([replace(decision(number), personal={}) for number in range(3)])
    columns = (
        "leaf_index, recorded_at, decision_id, namespace, workload, verdict, policy_digest, catalog_digest, "
        "decided_at, workload_digest, valid_until, purpose, stage"
    )

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("ATTACH ? AS source", (str(source),))
        for table in ("log_entry", "log_checkpoint", "blob"):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM source.{table}")
        connection.execute(f"INSERT INTO main.decision ({columns}) SELECT {columns} FROM source.decision")

    old(path, fill)
    assert version(path) == "0001"
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert ledger.verify().ok
        assert ledger.append(tagged(3, ONE)).index == 3
        assert ledger.verify().ok
    assert version(path) == REVISION
