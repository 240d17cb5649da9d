"""Consistency proofs from a ledger that was changed: none is given out."""

from __future__ import annotations

import pytest
from policy_audit import stored_tree
from policy_audit.errors import VerificationError
from policy_audit.ledger import Ledger

from tests.stores import Store


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE log_entry SET leaf_hash = ? WHERE leaf_index = 6", bytes(32)),
        ("UPDATE log_entry SET leaf_hash = ? WHERE leaf_index = 6", b"7"),
        ("DELETE FROM log_entry WHERE leaf_index = ?", 6),
        ("UPDATE log_checkpoint SET frontier = ? WHERE size = 4", bytes(8)),
        ("UPDATE log_checkpoint SET frontier = zeroblob(40) WHERE size = ?", 4),
        ("UPDATE log_checkpoint SET frontier = ? WHERE size = 4", (4).to_bytes(8, "big") + bytes(32)),
        ("UPDATE log_checkpoint SET note = (SELECT note FROM log_checkpoint WHERE size = 3) WHERE size = ?", 4),
    ],
)
def test_a_changed_database_gives_no_proof(
    filled: Store, monkeypatch: pytest.MonkeyPatch, statement: str, value: object
) -> None:
    monkeypatch.setattr(stored_tree, "_LEAVES", 2)
    with filled.administrator() as connection:
        connection.execute(statement, (value,))
    with filled.open(read_only=True) as ledger:
        # the first takes the root of its size from the checkpoint, the second makes it of what is stored
        assert any(_refused(ledger, size) for size in (4, 5))


def _refused(ledger: Ledger, size: int) -> bool:
    try:
        ledger.consistency(size)
    except VerificationError:
        return True
    return False
