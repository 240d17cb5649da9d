"""A ledger that was tampered with is not extended, and what is read of it is refused where it was changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.ledger import Draft, EntryType, Ledger
from policy_audit.merkle import Frontier, leaf_hash

from tests.integration.tampering import (
    Attack,
    change_byte,
    change_entry_and_all_that_follows_from_it,
    decision,
    failed,
    insert_at_the_end,
    sign_with_another_key,
    sql,
)
from tests.stores import Store


@pytest.mark.parametrize(
    "attack",
    [
        sql("UPDATE log_checkpoint SET frontier = zeroblob(40) WHERE size = 11"),
        sql("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 11"),
        sql("UPDATE log_checkpoint SET note = 'nothing' WHERE size = 11"),
        sql("UPDATE log_checkpoint SET size = 12 WHERE size = 11"),
        sql("DELETE FROM log_checkpoint"),
        sign_with_another_key,
        insert_at_the_end,
    ],
)
def test_a_tampered_head_is_never_extended(filled: Store, attack: Attack) -> None:
    with filled.open() as ledger:
        with filled.administrator() as connection:
            attack(connection)
        with pytest.raises(LedgerError) as caught:
            ledger.append(decision(11))
        assert caught.value.code == "ledger-tampered"
        with filled.connection() as connection:
            assert connection.execute("SELECT count(*) FROM log_entry WHERE leaf_index > 11").fetchone() == (0,)


def test_a_head_changed_after_this_process_signed_it_is_not_extended(filled: Store) -> None:
    with filled.open() as ledger:
        ledger.append(decision(11))
        with filled.administrator() as connection:
            connection.execute("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = 12")
        with pytest.raises(LedgerError, match="head"):
            ledger.append(decision(12))


@pytest.mark.parametrize("again", [False, True])
def test_a_forged_frontier_beside_the_note_that_this_process_signed_is_not_believed(filled: Store, again: bool) -> None:
    """An entry is changed, and root and frontier of the head with it; the note stays as this process signed it."""
    with filled.open() as ledger:
        ledger.append(decision(11))
        with filled.administrator() as connection:
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
    with filled.connection() as connection:
        found = connection.execute("SELECT max(size) FROM log_checkpoint").fetchone()
        assert found == (12,), "nothing was signed over it"


def test_a_head_whose_note_was_moved_to_another_size_is_not_extended(filled: Store) -> None:
    with filled.open() as ledger:
        ledger.append(decision(11))
        with filled.administrator() as connection:
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
        ("personal", "subject", ["personal"]),
        *(
            ("decision", name, ["list_decisions"])
            for name in ("recorded_at", "decision_id", "namespace", "workload", "verdict", "policy_digest", "stage")
        ),
        ("decision", "valid_until", ["list_decisions", "find_decision"]),
    ],
)
@pytest.mark.parametrize("newest", [False, True])
def test_bytes_and_broken_text_are_refused_where_they_are_read(
    in_file: Store, table: str, column: str, reads: list[str], value: str, newest: bool
) -> None:
    with in_file.open() as ledger:
        if newest:
            ledger.append(decision(11))  # so that the head is one that this process signed
        with in_file.administrator() as connection:
            connection.execute(f"UPDATE {table} SET {column} = {value}")
        assert_refused(ledger, reads)


@pytest.mark.parametrize(
    ("change", "reads"),
    [
        ("log_entry SET leaf_hash = X'FF'", ["entry", "list_entries", "receipt"]),
        ("log_entry SET entry = X'FF'", ["entry", "list_entries", "receipt"]),
        ("log_checkpoint SET note = 'nothing'", ["receipt", "append"]),
        ("log_checkpoint SET frontier = X'FF'", ["receipt", "append"]),
        ("log_checkpoint SET root = X'FF'", ["append"]),
    ],
)
def test_other_bytes_are_refused_where_they_are_read(filled: Store, change: str, reads: list[str]) -> None:
    with filled.open() as ledger:
        with filled.administrator() as connection:
            connection.execute(f"UPDATE {change}")
        assert_refused(ledger, reads)


def assert_refused(ledger: Ledger, reads: list[str]) -> None:
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
def test_an_entry_that_is_none_is_refused_though_its_leaf_hash_is_right(filled: Store, forged: bytes) -> None:
    with filled.administrator() as connection:
        row = (forged, leaf_hash(forged))
        connection.execute("UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = 3", row)
    with filled.open() as ledger, pytest.raises(VerificationError, match="entry 3"):
        _ = ledger.entry(3).document


def test_an_erasure_that_was_changed_is_not_believed(filled: Store) -> None:
    with filled.open() as ledger:
        ledger.append(Draft(EntryType.ERASURE, body={"erased": [{"index": 3, "name": "owner"}]}))
        assert ledger.erased() == {(3, "owner")}
        with filled.administrator() as connection:
            (entry,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = 11").fetchone()
            forged = entry.replace(b'"index":3', b'"index":4')
            connection.execute("UPDATE log_entry SET entry = ? WHERE leaf_index = 11", (forged,))
        with pytest.raises(VerificationError, match="entry 11"):
            ledger.erased()


def test_a_receipt_is_not_made_from_a_checkpoint_of_another_size(filled: Store) -> None:
    with filled.administrator() as connection:
        connection.execute("UPDATE log_checkpoint SET note = (SELECT note FROM log_checkpoint WHERE size = 11)")
    with filled.open() as ledger, pytest.raises(VerificationError):
        ledger.receipt(3)


def test_reading_finds_what_it_touches(filled: Store) -> None:
    with filled.open() as ledger:
        digest = ledger.entry(6).document["blobs"]["decision"]
        with filled.administrator() as connection:
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
