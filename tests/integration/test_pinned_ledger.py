"""A ledger whose key is pinned: another one is found before anything is made or recorded in it, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import generate_signer
from policy_audit.ledger import Draft, EntryType
from policy_audit.pinning import CODE, require_pinned

from tests.integration.test_ledger_rotation import Rotated, rotated
from tests.stores import Store

__all__ = ["rotated"]


def refused(store: Store, pinned: str) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        require_pinned(store.url, pinned)
    return caught.value


def test_the_ledger_of_the_key_is_taken_empty_or_not(store: Store) -> None:
    with store.open() as ledger:
        key = str(ledger.verifier_key)
        assert require_pinned(store.url, key) == key
        ledger.append(Draft(EntryType.HEARTBEAT))
    assert require_pinned(store.url, key) == key


def test_another_key_is_refused_and_the_ledgers_own_is_named(filled: Store) -> None:
    with filled.open() as ledger:
        own = str(ledger.verifier_key)
        same_name = generate_signer(ledger.origin).verifier_key
    for other in (generate_signer().verifier_key, same_name):
        error = refused(filled, other)
        assert error.code == CODE
        assert own.split("+")[1] in error.message
        assert str(error.help).startswith(f"name the ledger of `{other.split('+')[0]}`")


def test_nothing_is_made_where_nothing_is(store: Store, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    error = refused(store, generate_signer().verifier_key)
    assert error.code == CODE
    assert "none is made" in error.message
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_key_or_no_place_that_could_have_one(store: Store) -> None:
    with pytest.raises(VerificationError):
        require_pinned(store.url, "no key")
    with pytest.raises(LedgerError, match="in memory is always a new one"):
        require_pinned("sqlite:///:memory:", generate_signer().verifier_key)


def test_any_key_of_the_chain_leads_to_the_one_in_force(rotated: Rotated) -> None:
    for pinned in (rotated.old.verifier_key, rotated.new.verifier_key):
        assert require_pinned(rotated.store.url, pinned) == rotated.new.verifier_key


def test_a_ledger_rolled_back_to_before_its_rotation_is_refused_by_the_new_key(rotated: Rotated) -> None:
    rotated.restore()
    assert refused(rotated.store, rotated.new.verifier_key).code == CODE
    # the old key cannot tell, and says so by naming itself as the one in force
    assert require_pinned(rotated.store.url, rotated.old.verifier_key) == rotated.old.verifier_key


def test_a_head_that_the_old_key_signed_after_the_rotation_is_refused(rotated: Rotated) -> None:
    from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint

    newest = parse_checkpoint(rotated.kept_after)
    forged = sign_checkpoint(Checkpoint(newest.origin, newest.size, newest.root), rotated.old)
    with rotated.store.administrator() as connection:
        connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = ?", (forged, newest.size))
    for pinned in (rotated.old.verifier_key, rotated.new.verifier_key):
        assert refused(rotated.store, pinned).code == CODE
