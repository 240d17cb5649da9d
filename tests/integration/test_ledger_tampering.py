"""What an attacker tries on a real database, with all of an administrator's rights, and what finds it.

Each attack drops the triggers first and puts them back, so that the evidence has to find it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer, read_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.merkle import Frontier, leaf_hash, root_hash
from policy_audit.proof import parse_proof
from policy_audit.report import VerificationReport

Attack = Callable[[sqlite3.Connection], object]
LOWEST = -(2**63)


def decision(number: int) -> Draft:
    return Draft(
        EntryType.DECISION,
        body={"n": number},
        personal={"owner": f"owner{number}"},
        blobs={"decision": b'{"n":%d}' % number, "rules": b"rules"},
        view={
            "decision_id": f"d-{number}",
            "namespace": "default",
            "workload": "chat",
            "verdict": "deny",
            "policy_digest": "sha256:p",
            "catalog_digest": "sha256:c",
            "decided_at": "2026-01-31T12:00:00Z",
        },
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        for number in range(4):
            ledger.append(decision(number))
        ledger.append_many([decision(number) for number in range(4, 10)])
        ledger.append(decision(10))
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A ledger of eleven decisions: four commits of one, one of six, one of one."""
    shutil.copytree(original.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / original.name


@contextmanager
def administrator(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    for _, statement in triggers:
        with suppress(sqlite3.OperationalError):  # where its table is gone
            connection.execute(statement)
    connection.commit()
    connection.close()


def verify(path: Path, *kept: str) -> VerificationReport:
    with open_ledger(f"sqlite:///{path}") as ledger:
        return ledger.verify(kept=kept)


def failed(report: VerificationReport) -> list[str]:
    assert report.ok is (not report.problems)
    return [step.name for step in report.steps if step.status == "failed"]


def sql(statement: str, *values: object) -> Attack:
    return lambda connection: connection.execute(statement, values)


def change_byte(connection: sqlite3.Connection) -> None:
    (entry,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = 6").fetchone()
    connection.execute("UPDATE log_entry SET entry = ? WHERE leaf_index = 6", (entry.replace(b"deny", b"dent"),))


def change_entry_and_all_that_follows_from_it(connection: sqlite3.Connection) -> None:
    (entry,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = 6").fetchone()
    value = parse_canonical(entry)
    value["view"]["verdict"] = "allow"
    forged = canonical_bytes(value)
    connection.execute(
        "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = 6", (forged, leaf_hash(forged))
    )
    connection.execute("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 6")


def delete_in_the_middle(connection: sqlite3.Connection) -> None:
    for table in ("log_entry", "decision", "personal"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index = 6")


def delete_and_close_the_gap(connection: sqlite3.Connection) -> None:
    delete_in_the_middle(connection)
    for table in ("log_entry", "decision", "personal"):
        for index in range(7, 11):
            connection.execute(f"UPDATE {table} SET leaf_index = {index - 1} WHERE leaf_index = {index}")


def insert_at_the_end(connection: sqlite3.Connection) -> None:
    copy = "SELECT 11, type, recorded_at, leaf_hash, entry FROM log_entry WHERE leaf_index = 10"
    connection.execute(f"INSERT INTO log_entry {copy}")
    connection.execute("CREATE TEMP TABLE t AS SELECT * FROM decision WHERE leaf_index = 10")
    connection.execute("UPDATE t SET leaf_index = 11")
    connection.execute("INSERT INTO decision SELECT * FROM t")
    connection.execute(
        "INSERT INTO personal SELECT 11, name, salt, value FROM personal WHERE leaf_index = 10",
    )


def reorder(connection: sqlite3.Connection) -> None:
    for table in ("log_entry", "decision", "personal"):
        for old, new in ((5, -1), (6, 5), (-1, 6)):
            connection.execute(f"UPDATE {table} SET leaf_index = {new} WHERE leaf_index = {old}")


def change_checkpoint(connection: sqlite3.Connection) -> None:
    (note,) = connection.execute("SELECT note FROM log_checkpoint WHERE size = 4").fetchone()
    connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = 4", (note.replace("\n4\n", "\n5\n"),))


def sign_with_another_key(connection: sqlite3.Connection) -> None:
    for size, root, note in connection.execute("SELECT size, root, note FROM log_checkpoint").fetchall():
        signer = generate_signer(parse_checkpoint(note).origin)
        forged = sign_checkpoint(Checkpoint(signer.name, size, root), signer)
        connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = ?", (forged, size))


def swap_salts(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE personal SET salt = (SELECT salt FROM personal WHERE leaf_index = 2) WHERE leaf_index = 1"
    )


def add_at_the_lowest_index(table: str, column: str) -> Attack:
    """Add a copy of a row where a page that begins above the lowest index does not look."""

    def attack(connection: sqlite3.Connection) -> None:
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
        (delete_and_close_the_gap, ["tree", "blobs"], 4),
        (insert_at_the_end, ["tree"], 11),
        (reorder, ["tree"], 4),
        (sql("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE log_entry SET type = 'hold' WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE log_entry SET recorded_at = '2020' WHERE leaf_index = 3"), ["entries"], 3),
        (sql("UPDATE log_entry SET entry = 10000000000 WHERE leaf_index = 3"), None, 3),
        (sql("UPDATE log_entry SET leaf_hash = CAST(X'FF' AS TEXT) WHERE leaf_index = 3"), ["entries"], 3),
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
        (sql("INSERT INTO personal VALUES (-1e300, 'owner', 'salt', 'value')"), ["personal"], None),
        (sql("UPDATE blob SET content = X'00' WHERE content = X'72756c6573'"), ["blobs"], None),
        (sql("UPDATE blob SET content = 7 WHERE content = X'72756c6573'"), ["blobs"], None),
        (sql("UPDATE blob SET digest = CAST(X'FF' AS TEXT) WHERE content = X'72756c6573'"), ["blobs"], 0),
        (sql("DELETE FROM blob WHERE content = ?", b'{"n":3}'), ["blobs"], 3),
        (sql("INSERT INTO blob VALUES ('sha256:' || ?, X'')", root_hash([]).hex()), ["blobs"], None),
        (sql("UPDATE personal SET value = 'mallory' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET value = X'FF' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("UPDATE personal SET name = 'approver' WHERE leaf_index = 3"), ["personal"], 3),
        (sql("DELETE FROM personal WHERE leaf_index = 3"), ["personal"], 3),
        (sql("INSERT INTO personal VALUES (99, 'owner', 'salt', 'value')"), ["personal"], 99),
        (sql("INSERT INTO personal VALUES ('text', 'owner', 'salt', 'value')"), ["personal"], None),
        (swap_salts, ["personal"], 1),
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
        (sql("CREATE TABLE more (id)"), ["schema"], None),
        (sql("CREATE VIEW more AS SELECT 1"), ["schema"], None),
        (sql("ALTER TABLE decision ADD COLUMN approved TEXT"), ["schema"], None),
        (sql("ALTER TABLE decision RENAME TO decisions"), ["schema"], None),
        (sql("CREATE TRIGGER more AFTER INSERT ON blob BEGIN SELECT 1; END"), ["schema"], None),
    ],
)
def test_an_attack_is_found(path: Path, attack: Attack, steps: list[str] | None, index: int | None) -> None:
    with administrator(path) as connection:
        attack(connection)
    report = verify(path)
    assert not report.ok
    if steps is not None:
        assert failed(report) == steps
    assert report.first_failing_index == index
    assert all(problem.encode() for problem in report.problems), "what is hostile in a column is escaped"


def test_undisturbed_it_verifies(path: Path) -> None:
    assert verify(path).ok


def test_a_row_at_the_lowest_index_that_is_listed_is_not_verified(path: Path) -> None:
    with administrator(path) as connection:
        add_at_the_lowest_index("decision", "leaf_index")(connection)
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert ledger.list_decisions(newest_first=False, limit=1)[0].index == LOWEST
        assert not ledger.verify().ok


def test_a_checkpoint_between_commits_of_one_instant_can_be_missed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}", clock=lambda: datetime(2026, 1, 31, tzinfo=UTC)) as ledger:
        for number in range(3):
            ledger.append(decision(number))
        assert ledger.verify().ok
        with administrator(path) as connection:
            connection.execute("DELETE FROM log_checkpoint WHERE size = 2")
        assert ledger.verify().ok, "as the README says: the two commits look like one"
        keys, origin = [str(ledger.verifier_key)], str(ledger.origin)
        parse_proof(ledger.receipt(1)).verify(ledger.entry(1).raw, keys, origin)  # a later checkpoint covers it


def test_missing_triggers_are_found(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER decision_no_update")
    connection.close()
    report = verify(path)
    assert failed(report) == ["schema"]
    assert report.problems == ["the trigger `decision_no_update` is missing or changed"]


def truncate_to(connection: sqlite3.Connection, size: int) -> None:
    for table in ("log_entry", "decision", "personal"):
        connection.execute(f"DELETE FROM {table} WHERE leaf_index >= {size}")
    connection.execute(f"DELETE FROM log_checkpoint WHERE size > {size}")
    for number in range(size, 11):
        connection.execute("DELETE FROM blob WHERE content = ?", (b'{"n":%d}' % number,))


def test_a_dropped_tail_is_found_by_a_kept_checkpoint_only(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        kept = ledger.checkpoint()
    with administrator(path) as connection:
        truncate_to(connection, 4)
    assert verify(path).ok, "which is why checkpoints are kept"
    report = verify(path, kept)
    assert failed(report) == ["kept"]
    assert report.first_failing_index == 4
    assert "tail was dropped" in report.problems[0]


def rewrite(connection: sqlite3.Connection, signer: Ed25519Signer) -> None:
    """Change entry 2, then derive and sign everything again, as a thief of the key can."""
    change = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = 2").fetchone()[0]
    value = parse_canonical(change)
    value["view"]["verdict"] = "allow"
    forged = canonical_bytes(value)
    connection.execute(
        "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = 2", (forged, leaf_hash(forged))
    )
    connection.execute("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 2")
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


def test_a_history_signed_again_with_the_stolen_key_is_found_by_a_kept_checkpoint_only(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        kept, receipt, raw = ledger.checkpoint(), ledger.receipt(2), ledger.entry(2).raw
        keys, origin = [str(ledger.verifier_key)], str(ledger.origin)
    with administrator(path) as connection:
        rewrite(connection, read_key_file(path.with_name("ledger.db.key")))
    assert verify(path).ok
    report = verify(path, kept)
    assert failed(report) == ["kept"]
    parse_proof(receipt).verify(raw, keys, origin)  # the receipt still proves what was recorded
    with open_ledger(f"sqlite:///{path}") as ledger, pytest.raises(VerificationError):
        parse_proof(receipt).verify(ledger.entry(2).raw, keys, origin)


def test_a_history_signed_again_with_another_key_does_not_verify_with_the_pinned_one(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        pinned, origin = str(ledger.verifier_key), str(ledger.origin)
    key = path.with_name("ledger.db.key")
    with administrator(path) as connection:
        signer = generate_signer(origin)
        rewrite(connection, signer)
    key.write_text(signer.signer_key + "\n")
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert ledger.verify().ok, "the swapped key vouches for itself"
        report = ledger.verify([pinned], origin)
        assert failed(report) == ["checkpoints"]
        assert "known key" in report.problems[0]


def test_kept_checkpoints_of_others_are_refused(path: Path) -> None:
    with open_ledger("sqlite:///:memory:") as other:
        foreign = other.checkpoint()
    assert failed(verify(path, foreign)) == ["kept"]
    assert failed(verify(path, "not a checkpoint")) == ["kept"]


def test_rows_of_a_second_ledger_do_not_pass(path: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.db"
    with open_ledger(f"sqlite:///{second}") as ledger:
        ledger.append_many([decision(number) for number in range(20, 40)])
    with administrator(path) as connection:
        connection.execute("ATTACH ? AS second", (str(second),))
        for table in ("log_entry", "decision", "personal"):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM second.{table} WHERE leaf_index >= 11")
        connection.execute("INSERT INTO main.log_checkpoint SELECT * FROM second.log_checkpoint WHERE size > 11")
        connection.commit()
        connection.execute("DETACH second")
    report = verify(path)
    assert failed(report) == ["checkpoints", "tree", "blobs"]
    assert "is of the log" in report.problems[0] or "known key" in report.problems[0]
    assert report.first_failing_index == 11


@pytest.mark.parametrize(
    "attack",
    [
        sql("UPDATE log_checkpoint SET frontier = zeroblob(40) WHERE size = 11"),
        sql("UPDATE log_checkpoint SET frontier = 5 WHERE size = 11"),
        sql("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 11"),
        sql("UPDATE log_checkpoint SET note = 'nothing' WHERE size = 11"),
        sql("UPDATE log_checkpoint SET size = 12 WHERE size = 11"),
        sql("DELETE FROM log_checkpoint"),
        sign_with_another_key,
        insert_at_the_end,
    ],
)
def test_a_tampered_head_is_never_extended(path: Path, attack: Attack) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        with administrator(path) as connection:
            attack(connection)
        with pytest.raises(LedgerError) as caught:
            ledger.append(decision(11))
        assert caught.value.code == "ledger-tampered"
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT count(*) FROM log_entry WHERE leaf_index > 11").fetchone() == (0,)
        connection.close()


def test_a_head_changed_after_this_process_signed_it_is_not_extended(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(decision(11))
        with administrator(path) as connection:
            connection.execute("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 12")
        with pytest.raises(LedgerError, match="head"):
            ledger.append(decision(12))


@pytest.mark.parametrize("again", [False, True])
def test_a_forged_frontier_beside_the_note_that_this_process_signed_is_not_believed(path: Path, again: bool) -> None:
    """An entry is changed, and root and frontier of the head with it; the note stays as this process signed it."""
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(decision(11))
        with administrator(path) as connection:
            change_entry_and_all_that_follows_from_it(connection)
            frontier = Frontier()
            for (leaf,) in connection.execute("SELECT leaf_hash FROM log_entry ORDER BY leaf_index"):
                frontier.append(leaf)
            columns = frontier.root(), frontier.to_bytes()
            connection.execute("UPDATE log_checkpoint SET root = ?, frontier = ? WHERE size = 12", columns)
            assert frontier.size == 12
        for _ in range(1 + again):
            with pytest.raises(LedgerError) as caught:
                ledger.append(decision(12))
            assert caught.value.code == "ledger-tampered"
        assert "tree" in failed(ledger.verify())
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT max(size) FROM log_checkpoint").fetchone() == (12,), "nothing was signed over it"
    connection.close()


def test_a_head_whose_note_was_moved_to_another_size_is_not_extended(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(decision(11))
        with administrator(path) as connection:
            connection.execute("UPDATE log_checkpoint SET size = 13 WHERE size = 12")
        with pytest.raises(LedgerError) as caught:
            ledger.append(decision(12))
        assert caught.value.code == "ledger-tampered"


@pytest.mark.parametrize("value", ["X'FF'", "CAST(X'FF' AS TEXT)"])
@pytest.mark.parametrize(
    ("table", "column", "reads"),
    [
        ("log_entry", "type", ["entry", "list_entries", "receipt"]),
        ("log_entry", "recorded_at", ["entry", "list_entries", "receipt"]),
        ("log_entry", "leaf_hash", ["entry", "list_entries", "receipt"]),
        ("log_entry", "entry", ["entry", "list_entries", "receipt"]),
        ("log_checkpoint", "note", ["checkpoint", "receipt", "append"]),
        ("log_checkpoint", "frontier", ["receipt", "append"]),
        ("log_checkpoint", "root", ["append"]),
        ("personal", "name", ["personal"]),
        ("personal", "value", ["personal"]),
        *(
            ("decision", name, ["list_decisions"])
            for name in ("recorded_at", "decision_id", "namespace", "workload", "verdict", "policy_digest", "stage")
        ),
        ("decision", "valid_until", ["list_decisions", "find_decision"]),
    ],
)
@pytest.mark.parametrize("newest", [False, True])
def test_bytes_and_broken_text_are_refused_where_they_are_read(
    path: Path, table: str, column: str, reads: list[str], value: str, newest: bool
) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        if newest:
            ledger.append(decision(11))  # so that the head is one that this process signed
        with administrator(path) as connection:
            connection.execute(f"UPDATE {table} SET {column} = {value}")
        calls: dict[str, Callable[[], object]] = {
            "entry": lambda: ledger.entry(3),
            "list_entries": ledger.list_entries,
            "list_decisions": ledger.list_decisions,
            "find_decision": lambda: ledger.find_decision("d-10"),
            "receipt": lambda: ledger.receipt(3),
            "checkpoint": ledger.checkpoint,
            "personal": lambda: ledger.personal(3),
            "append": lambda: ledger.append(decision(12)),
        }
        for read in reads:
            with pytest.raises((LedgerError, VerificationError)) as caught:
                calls[read]()
            assert caught.value.message.encode()
        assert not ledger.verify().ok


@pytest.mark.parametrize("forged", [b"\xff", b"[]", b"{}", b"null", b"[" * 60_000])
def test_an_entry_that_is_none_is_refused_though_its_leaf_hash_is_right(path: Path, forged: bytes) -> None:
    with administrator(path) as connection:
        row = (forged, leaf_hash(forged))
        connection.execute("UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = 3", row)
    with open_ledger(f"sqlite:///{path}") as ledger, pytest.raises(VerificationError, match="entry 3"):
        _ = ledger.entry(3).document


def test_a_receipt_is_not_made_from_a_checkpoint_of_another_size(path: Path) -> None:
    with administrator(path) as connection:
        connection.execute("UPDATE log_checkpoint SET note = (SELECT note FROM log_checkpoint WHERE size = 11)")
    with open_ledger(f"sqlite:///{path}") as ledger, pytest.raises(VerificationError):
        ledger.receipt(3)


def test_reading_finds_what_it_touches(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        digest = ledger.entry(6).document["blobs"]["decision"]
        with administrator(path) as connection:
            change_byte(connection)
            connection.execute("UPDATE blob SET content = X'00' WHERE digest = ?", (digest,))
            connection.execute("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE leaf_index = 7")
        for read in (lambda: ledger.entry(6), lambda: ledger.blob(digest), lambda: ledger.receipt(6)):
            with pytest.raises(VerificationError):
                read()
        with pytest.raises(VerificationError):
            ledger.receipt(5)
        with pytest.raises(VerificationError):
            ledger.list_entries()
