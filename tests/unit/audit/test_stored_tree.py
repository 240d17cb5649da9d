"""Consistency proofs from the database: the same as from all leaves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit import stored_tree
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.merkle import consistency_proof, root_hash, verify_consistency
from policy_audit.stored_tree import StoredTree


def hold(number: int) -> Draft:
    return Draft(EntryType.HOLD, body={"n": number})


def leaves(ledger: Ledger) -> list[bytes]:
    return [bytes.fromhex(entry.leaf_hash) for entry in ledger.list_entries(newest_first=False)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_every_proof_is_the_one_from_all_leaves(commits: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch, open_ledger("sqlite:///:memory:") as ledger:
        patch.setattr(stored_tree, "_LEAVES", 2)
        for commit in commits:
            ledger.append_many([hold(number) for number in range(commit)])
        known, size = leaves(ledger), sum(commits)
        with ledger.snapshot() as connection:
            tree = StoredTree(connection)
            assert [tree.root(n) for n in range(size + 1)] == [root_hash(known[:n]) for n in range(size + 1)]
            for size1 in range(1, size + 1, max(1, size // 17)):
                for size2 in {size1, (size1 + size) // 2, size}:
                    assert tree.consistency(size1, size2) == consistency_proof(known, size1, size2)


def test_few_rows_are_read_of_a_large_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_tree, "_LEAVES", 4)
    read: list[int] = []
    hashing = StoredTree._leaves
    monkeypatch.setattr(StoredTree, "_leaves", lambda self, a, n: read.append(n) or hashing(self, a, n))
    with open_ledger("sqlite:///:memory:") as ledger:
        for number in range(600):
            ledger.append(hold(number))
        assert ledger.consistency(1)
        assert ledger.consistency(333, 599)
    assert sum(read) < 100


def test_a_proof_from_nothing_or_beyond_the_end_is_refused() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append_many([hold(n) for n in range(5)])
        assert ledger.consistency(5) == []
        verify_consistency(3, 5, root_hash(leaves(ledger)[:3]), root_hash(leaves(ledger)), ledger.consistency(3))
        with pytest.raises(VerificationError):
            ledger.consistency(0)
        with pytest.raises(VerificationError):
            ledger.consistency(4, 3)
        with pytest.raises(LedgerError):
            ledger.consistency(2, 6)
