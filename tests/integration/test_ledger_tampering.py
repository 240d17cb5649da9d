"""What an attacker tries on a real database, with all of an administrator's rights, and what finds it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer, read_key_file
from policy_audit.ledger import open_ledger
from policy_audit.merkle import Frontier, root_hash
from policy_audit.proof import parse_proof

from tests.integration.tampering import (
    Attack,
    change_byte,
    change_entry_and_all_that_follows_from_it,
    decision,
    failed,
    forget,
    insert_at_the_end,
    sign_with_another_key,
    sql,
    verify,
)
from tests.stores import POSTGRESQL, Connection, Store, sqlite_store

LOWEST = -(2**63)
FIRST_PERSON = "(SELECT subject FROM personal WHERE leaf_index = 0)"


def delete_in_the_middle(connection: Connection) -> None:
    for table in ("log_entry", "decision"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index = 6")
    forget(connection, "= 6")


def delete_and_close_the_gap(connection: Connection) -> None:
    delete_in_the_middle(connection)
    for table in ("log_entry", "decision", "personal"):
        for index in range(7, 11):
            connection.execute(f"UPDATE {table} SET leaf_index = {index - 1} WHERE leaf_index = {index}")


def reorder(connection: Connection) -> None:
    for table in ("log_entry", "decision", "personal"):
        for old, new in ((5, -1), (6, 5), (-1, 6)):
            connection.execute(f"UPDATE {table} SET leaf_index = {new} WHERE leaf_index = {old}")


def change_checkpoint(connection: Connection) -> None:
    (note,) = connection.execute("SELECT note FROM log_checkpoint WHERE size = 4").fetchone()
    connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = 4", (note.replace("\n4\n", "\n5\n"),))


def swap_values(connection: Connection) -> None:
    """Swap two sealed values with all that stands beside them: each opens, as the other entry's."""
    for old, new in ((1, -1), (2, 1), (-1, 2)):
        connection.execute(f"UPDATE personal SET leaf_index = {new} WHERE leaf_index = {old}")


def swap_keys(connection: Connection) -> None:
    """Swap the wrapped keys of two persons."""
    (first, one), (second, two) = connection.execute(
        "SELECT subject, wrapped FROM subject_key WHERE subject IN (SELECT subject FROM personal WHERE leaf_index < 2)"
    ).fetchall()
    for subject, wrapped in ((first, two), (second, one)):
        connection.execute("UPDATE subject_key SET wrapped = ? WHERE subject = ?", (wrapped, subject))


def put_under_another_person(connection: Connection) -> None:
    connection.execute(
        "UPDATE personal SET subject = (SELECT subject FROM personal WHERE leaf_index = 2) WHERE leaf_index = 1"
    )


def add_at_the_lowest_index(table: str, column: str) -> Attack:
    """Add a copy of a row where a page that begins above the lowest index does not look."""

    def attack(connection: Connection) -> None:
        connection.execute(f"CREATE TEMP TABLE t AS SELECT * FROM {table} ORDER BY {column} DESC LIMIT 1")
        connection.execute(f"UPDATE t SET {column} = ?", (LOWEST,))
        connection.execute(f"INSERT INTO {table} SELECT * FROM t")

    return attack


@pytest.mark.parametrize(
    ("attack", "steps", "index"),
    [
        (change_byte, ["entries", "tree", "view"], 6),
        (change_entry_and_all_that_follows_from_it, ["tree"], 4),
        (delete_in_the_middle, ["entries", "tree", "blobs"], 6),
        (delete_and_close_the_gap, ["tree", "blobs", "personal"], 6),
        (insert_at_the_end, ["tree", "personal"], 11),
        (reorder, ["tree", "personal"], 5),
        (sql("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE log_entry SET type = 'hold' WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE log_entry SET recorded_at = '2020' WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 3"), ["view"], 3),
        (sql("UPDATE decision SET stage = 'live' WHERE leaf_index = 3"), ["view"], 3),
        (sql("UPDATE decision SET workload = CAST(X'FF' AS TEXT) WHERE leaf_index = 3"), ["view"], 3),
        (sql("DELETE FROM decision WHERE leaf_index = 3"), ["view"], 3),
        (sql("UPDATE decision SET leaf_index = 99 WHERE leaf_index = 3"), ["view"], 3),
        (sql("UPDATE decision SET leaf_index = -5 WHERE leaf_index = 3"), ["view"], -5),
        (add_at_the_lowest_index("decision", "leaf_index"), ["view"], LOWEST),
        (add_at_the_lowest_index("personal", "leaf_index"), ["personal"], LOWEST),
        (add_at_the_lowest_index("log_entry", "leaf_index"), ["entries", "tree", "personal", "view"], LOWEST),
        (add_at_the_lowest_index("log_checkpoint", "size"), ["checkpoints", "tree"], 0),
        (sql("UPDATE blob SET content = X'00' WHERE content = X'72756c6573'"), ["blobs"], 0),
        (sql("UPDATE blob SET content = X'00' WHERE content = ?", b'{"n":3}'), ["blobs"], 3),
        (sql("UPDATE blob SET digest = CAST(X'FF' AS TEXT) WHERE content = X'72756c6573'"), ["blobs"], 0),
        (sql("DELETE FROM blob WHERE content = ?", b'{"n":3}'), ["blobs"], 3),
        (sql("INSERT INTO blob VALUES ('sha256:' || ?, X'')", root_hash([]).hex()), ["blobs"], None),
        (sql("UPDATE personal SET sealed = zeroblob(92) WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET sealed = 'mallory' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET subject = NULL, sealed = X'730A6D' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET subject = NULL WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET subject = X'FF' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET subject = CAST(X'FF' AS TEXT) WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE subject_key SET wrapped = zeroblob(68)"), ["personal"], 0),
        (sql(f"UPDATE subject_key SET subject = CAST(X'FF' AS TEXT) WHERE subject = {FIRST_PERSON}"), ["personal"], 0),
        (sql("DELETE FROM subject_key"), ["personal"], 0),
        (
            sql("INSERT INTO subject_key SELECT 'AAAAAAAAAAAAAAAAAAAAAA', wrapped FROM subject_key LIMIT 1"),
            ["personal"],
            None,
        ),
        (sql("INSERT INTO subject_key VALUES ('x', X'00')"), ["personal"], None),
        (sql("UPDATE personal SET name = 'approver' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("DELETE FROM personal WHERE leaf_index = 3"), ["personal"], 3),
        (sql("INSERT INTO personal VALUES (99, 'owner', 'subject', X'00')"), ["personal"], 99),
        (swap_values, ["personal"], 1),
        (swap_keys, ["personal"], 0),
        (put_under_another_person, ["personal"], 1),
        (change_checkpoint, ["checkpoints"], None),
        (sign_with_another_key, ["checkpoints"], None),
        (sql("UPDATE log_checkpoint SET note = CAST(X'FF' AS TEXT) WHERE size = 4"), ["checkpoints"], None),
        (sql("UPDATE log_checkpoint SET note = 4 WHERE size = 4"), ["checkpoints"], None),
        (sql("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 4"), ["checkpoints", "tree"], 3),
        (sql("UPDATE log_checkpoint SET frontier = zeroblob(40) WHERE size = 4"), ["tree"], None),
        (sql("UPDATE log_checkpoint SET size = 5 WHERE size = 4"), ["checkpoints", "tree"], 3),
        (sql("UPDATE log_checkpoint SET size = 12 WHERE size = 11"), ["checkpoints", "tree"], 10),
        (sql("DELETE FROM log_checkpoint WHERE size = 11"), ["tree"], 10),
        (sql("DELETE FROM log_checkpoint WHERE size = 0"), ["checkpoints"], None),
        (sql("DELETE FROM log_checkpoint WHERE size = 1"), ["tree"], 0),
        (sql("DELETE FROM log_checkpoint WHERE size = 4"), ["tree"], 3),
        (sql("DELETE FROM log_checkpoint WHERE size = 10"), ["tree"], 9),
        (sql("DELETE FROM log_checkpoint WHERE size BETWEEN 1 AND 10"), ["tree"], 0),
        (sql("DELETE FROM log_checkpoint"), ["checkpoints", "tree"], 0),
        (sql("DELETE FROM log_entry"), None, 0),
        (sql("INSERT INTO log_head VALUES (2)"), ["schema"], None),
        (sql("DELETE FROM log_head"), ["schema"], None),
        (sql("CREATE TABLE more (id INTEGER)"), ["schema"], None),
        (sql("CREATE VIEW more AS SELECT 1"), ["schema"], None),
        (sql("ALTER TABLE decision ADD COLUMN approved TEXT"), ["schema"], None),
        (sql("ALTER TABLE decision RENAME TO decisions"), ["schema"], None),
    ],
)
def test_an_attack_is_found(filled: Store, attack: Attack, steps: list[str] | None, index: int | None) -> None:
    with filled.administrator() as connection:
        attack(connection)
    report = verify(filled)
    assert not report.ok
    if steps is not None:
        assert failed(report) == steps
    assert report.first_failing_index == index
    assert all(problem.encode() for problem in report.problems), "what is hostile in a column is escaped"


@pytest.mark.parametrize(
    ("attack", "steps", "index"),
    [
        (sql("UPDATE log_entry SET entry = 10000000000 WHERE leaf_index = 3"), None, 3),
        (sql("UPDATE log_entry SET leaf_hash = CAST(X'FF' AS TEXT) WHERE leaf_index = 3"), ["entries"], 3),
        (sql("INSERT INTO personal VALUES (-1e300, 'owner', 'salt', 'value')"), ["personal"], None),
        (sql("UPDATE blob SET content = 7 WHERE content = X'72756c6573'"), ["blobs"], 0),
        (sql("UPDATE personal SET sealed = CAST(X'FF' AS TEXT) WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE subject_key SET wrapped = 68"), ["personal"], 0),
        (sql("INSERT INTO personal VALUES ('text', 'owner', 'salt', 'value')"), ["personal"], None),
    ],
)
def test_a_value_of_another_type_is_found_or_kept_out(
    filled: Store, attack: Attack, steps: list[str] | None, index: int | None
) -> None:
    if filled.kind == POSTGRESQL:
        with pytest.raises(psycopg.Error, match=r"type|range"), filled.administrator() as connection:
            attack(connection)
        assert verify(filled).ok
        return
    with filled.administrator() as connection:
        attack(connection)
    report = verify(filled)
    assert steps is None or failed(report) == steps
    assert report.first_failing_index == index


@pytest.mark.parametrize(
    ("attack", "first", "last"),
    [
        (change_entry_and_all_that_follows_from_it, 4, 9),  # all that is known is the commit of six
        (reorder, 5, 5),  # a sealed value opens at its own index alone
        (insert_at_the_end, 11, 11),
        (change_byte, 6, 6),
        (sql("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 4"), 3, 3),
        (add_at_the_lowest_index("log_checkpoint", "size"), 0, 0),
        (sql("DELETE FROM log_checkpoint WHERE size = 0"), None, None),
    ],
)
def test_where_only_a_root_is_wrong_the_range_is_told(
    filled: Store, attack: Attack, first: int | None, last: int | None
) -> None:
    with filled.administrator() as connection:
        attack(connection)
    report = verify(filled)
    assert (report.first_failing_index, report.last_failing_index) == (first, last)


def test_a_changed_document_is_told_with_the_first_entry_that_names_it(filled: Store) -> None:
    with filled.administrator() as connection:
        connection.execute("UPDATE blob SET content = X'00' WHERE content = ?", (b'{"n":3}',))
        connection.execute("UPDATE log_entry SET entry = X'00' WHERE leaf_index = 5")
        connection.execute("UPDATE blob SET content = X'01' WHERE content = ?", (b'{"n":5}',))
    step = verify(filled).step("blobs")
    assert step.first_problem is not None
    assert step.first_problem.endswith("of the entry 3 was changed")
    assert step.first_index == 3
    assert step.problems == 3, "no entry that can be read names the other document: it is changed, and named by none"


def test_undisturbed_it_verifies(filled: Store) -> None:
    assert verify(filled).ok


def test_a_row_at_the_lowest_index_that_is_listed_is_not_verified(filled: Store) -> None:
    with filled.administrator() as connection:
        add_at_the_lowest_index("decision", "leaf_index")(connection)
    with filled.open() as ledger:
        assert ledger.list_decisions(newest_first=False, limit=1)[0].index == LOWEST
        assert not ledger.verify().ok


def test_a_checkpoint_between_commits_of_one_instant_can_be_missed(store: Store) -> None:
    with store.open(clock=lambda: datetime(2026, 1, 31, tzinfo=UTC)) as ledger:
        for number in range(3):
            ledger.append(decision(number))
        assert ledger.verify().ok
        with store.administrator() as connection:
            connection.execute("DELETE FROM log_checkpoint WHERE size = 2")
        assert ledger.verify().ok, "as the README says: the two commits look like one"
        keys, origin = [str(ledger.verifier_key)], str(ledger.origin)
        parse_proof(ledger.receipt(1)).verify(ledger.entry(1).raw, keys, origin)  # a later checkpoint covers it


def test_missing_triggers_are_found(filled: Store) -> None:
    with filled.connection() as connection:
        on_server = filled.kind == POSTGRESQL
        name = "decision_append_only" if on_server else "decision_no_update"
        connection.execute(f"DROP TRIGGER {name}" + (" ON decision" if on_server else ""))
    report = verify(filled)
    assert failed(report) == ["schema"]
    assert report.problems == [f"the trigger `{name}` is missing or changed"]


def truncate_to(connection: Connection, size: int) -> None:
    for table in ("log_entry", "decision"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index >= {size}")
    forget(connection, f">= {size}")
    connection.execute(f"DELETE FROM log_checkpoint WHERE size > {size}")
    for number in range(size, 11):
        connection.execute("DELETE FROM blob WHERE content = ?", (b'{"n":%d}' % number,))


def test_a_dropped_tail_is_found_by_a_kept_checkpoint_only(filled: Store) -> None:
    with filled.open() as ledger:
        kept = ledger.checkpoint()
    with filled.administrator() as connection:
        truncate_to(connection, 4)
    assert verify(filled).ok, "which is why checkpoints are kept"
    report = verify(filled, kept)
    assert failed(report) == ["kept"]
    assert report.first_failing_index == 4
    assert "tail was dropped" in report.problems[0]


def rewrite(connection: Connection, signer: Ed25519Signer) -> None:
    """Change entry 2, then derive and sign everything again, as a thief of the key can."""
    change_entry_and_all_that_follows_from_it(connection, 2)
    leaves = [row[0] for row in connection.execute("SELECT leaf_hash FROM log_entry ORDER BY leaf_index")]
    for (size,) in connection.execute("SELECT size FROM log_checkpoint").fetchall():
        frontier = Frontier()
        for leaf in leaves[:size]:
            frontier.append(leaf)
        note = sign_checkpoint(Checkpoint(signer.name, size, frontier.root()), signer)
        connection.execute(
            "UPDATE log_checkpoint SET root = ?, frontier = ?, note = ? WHERE size = ?",
            (frontier.root(), frontier.to_bytes(), note, size),
        )


def test_a_history_signed_again_with_the_stolen_key_is_found_by_a_kept_checkpoint_only(filled: Store) -> None:
    with filled.open() as ledger:
        kept, receipt, raw = ledger.checkpoint(), ledger.receipt(2), ledger.entry(2).raw
        keys, origin = [str(ledger.verifier_key)], str(ledger.origin)
    with filled.administrator() as connection:
        rewrite(connection, read_key_file(filled.key))
    assert verify(filled).ok
    report = verify(filled, kept)
    assert failed(report) == ["kept"]
    parse_proof(receipt).verify(raw, keys, origin)  # the receipt still proves what was recorded
    with filled.open() as ledger, pytest.raises(VerificationError):
        parse_proof(receipt).verify(ledger.entry(2).raw, keys, origin)


def test_a_history_signed_again_with_another_key_does_not_verify_with_the_pinned_one(filled: Store) -> None:
    with filled.open() as ledger:
        pinned, origin = str(ledger.verifier_key), str(ledger.origin)
    key = filled.key
    with filled.administrator() as connection:
        signer = generate_signer(origin)
        rewrite(connection, signer)
    key.write_text(signer.signer_key + "\n")
    with filled.open() as ledger:
        assert ledger.verify().ok, "the swapped key vouches for itself"
        report = ledger.verify([pinned], origin)
        assert failed(report) == ["checkpoints"]
        assert "known key" in report.problems[0]


def test_kept_checkpoints_of_others_are_refused(filled: Store) -> None:
    with open_ledger("sqlite:///:memory:") as other:
        foreign = other.checkpoint()
    assert failed(verify(filled, foreign)) == ["kept"]
    assert failed(verify(filled, "not a checkpoint")) == ["kept"]


def test_rows_of_a_second_ledger_do_not_pass(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = sqlite_store(tmp_path / "second")
    with second.open() as ledger:
        ledger.append_many([decision(number) for number in range(20, 40)])
    tables = (
        ("log_entry", "leaf_index"),
        ("decision", "leaf_index"),
        ("personal", "leaf_index"),
        ("log_checkpoint", "size"),
    )
    with filled.administrator() as connection, second.connection() as other:
        for table, column in tables:
            for row in other.execute(f"SELECT * FROM {table} WHERE {column} >= 11"):
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    report = verify(filled)
    assert failed(report) == ["checkpoints", "tree", "blobs", "personal"]
    assert "is of the log" in report.problems[0] or "known key" in report.problems[0]
    assert report.first_failing_index == 11
