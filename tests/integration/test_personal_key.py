"""The personal key: lost, swapped, exposed, changed; what an auditor sees without it; ledgers from before it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from policy_audit import rekeying
from policy_audit.erasing import erase_unreadable
from policy_audit.errors import HeldError, LedgerError, PersonalKeyError
from policy_audit.holding import place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Draft, EntryType
from policy_audit.personal_key import generate_personal_key, read_personal_key, write_personal_key
from policy_audit.rekeying import rekey
from policy_audit.subjects import record_access, subject_access

from tests.integration.persons import ALICE, BOB, decision, files_hold
from tests.integration.tampering import failed, file_alone
from tests.stores import Store, sqlite_store

REASON = "request under Art. 17"


@pytest.fixture
def filled(store: Store) -> Store:
    with store.open() as ledger:
        ledger.append_many([decision(0, ALICE, actor=BOB), decision(1, BOB)])
    return store


@pytest.fixture
def key(filled: Store) -> Path:
    return filled.personal_key


def names(store: Store) -> set[str]:
    """Return what the persons are called in the database."""
    with store.connection() as connection:
        return {row[0] for row in connection.execute("SELECT subject FROM subject_key")}


def refused(filled: Store) -> PersonalKeyError:
    with filled.open() as ledger, pytest.raises(PersonalKeyError) as caught:
        ledger.append(decision(5, ALICE))
    return caught.value


def test_it_is_made_with_the_ledger_for_its_owner_alone(filled: Store, key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with filled.open() as ledger:
        assert read_personal_key(key).origin == ledger.origin
    own = ["ledger.db"] if filled.path is not None else []
    assert sorted(file.name for file in key.parent.iterdir()) == [*own, "ledger.db.key", key.name]


@file_alone
def test_the_database_alone_reveals_no_name(filled: Store) -> None:
    assert filled.path is not None
    assert files_hold(filled.path, *(value.encode() for value in (ALICE, BOB, ALICE.casefold(), "Müller"))) == []


def test_a_lost_key_is_noticed(filled: Store, key: Path) -> None:
    key.unlink()
    error = refused(filled)
    assert error.code == "personal-key-missing"
    assert "policy audit erase --unreadable" in str(error.help)
    assert not key.exists(), "no new key takes its place"
    with filled.open() as ledger:
        with pytest.raises(PersonalKeyError):
            ledger.append(Draft(EntryType.HEARTBEAT))
        with pytest.raises(PersonalKeyError):
            ledger.erase(ALICE, reason=REASON)
        assert ledger.verify().ok


def test_without_it_everything_else_is_read_and_verified(filled: Store, key: Path) -> None:
    key.unlink()
    with filled.open(read_only=True) as auditor:
        assert auditor.personal(0) == {}
        assert auditor.sealed(0) == {"owner", "actor"}
        report = auditor.verify()
        assert report.ok, report.problems
        step = report.step("personal")
        assert step.checked == 0
        assert step.note is not None
        assert step.note.startswith("3 sealed values were not opened")
        with pytest.raises(PersonalKeyError):
            subject_access(auditor, ALICE)


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM personal WHERE leaf_index = 1",
        "DELETE FROM personal WHERE leaf_index = 0 AND name = 'actor'",
        "UPDATE personal SET name = 'approver' WHERE leaf_index = 1",
        "UPDATE personal SET leaf_index = 7 WHERE leaf_index = 1",
        "UPDATE personal SET subject = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE leaf_index = 1",
        "UPDATE personal SET subject = NULL WHERE leaf_index = 1",
        "UPDATE personal SET sealed = X'00' WHERE leaf_index = 1",
        "UPDATE subject_key SET wrapped = 'text'",
        "UPDATE subject_key SET wrapped = zeroblob(69)",
        "DELETE FROM subject_key",
        "INSERT INTO subject_key SELECT 'AAAAAAAAAAAAAAAAAAAAAA', wrapped FROM subject_key LIMIT 1",
    ],
)
def test_without_it_what_can_be_checked_is(filled: Store, key: Path, attack: str) -> None:
    key.unlink()
    with filled.administrator() as connection:
        connection.execute(attack)
    with filled.open(read_only=True) as auditor:
        assert failed(auditor.verify()) == ["personal"]


def test_another_key_is_refused_and_does_not_verify(filled: Store, key: Path) -> None:
    with filled.open() as ledger:
        write_personal_key(key, generate_personal_key(str(ledger.origin)))
    assert refused(filled).code == "personal-key-other"
    with filled.open() as ledger:
        assert failed(ledger.verify()) == ["personal"]
        assert ledger.personal(0) == {}
        with pytest.raises(PersonalKeyError):
            erase_unreadable(ledger, reason="lost")
        with pytest.raises(PersonalKeyError):
            ledger.erase(ALICE, reason=REASON)


def test_a_key_that_is_swapped_while_the_ledger_is_open_seals_nothing(filled: Store, key: Path) -> None:
    """All persons look new under it: that is seen before anything is sealed."""
    with filled.open() as first, filled.open() as second:
        rekey(second, reason="yearly")
        for owner in (ALICE, "carol@acme.example"):
            with pytest.raises(PersonalKeyError) as caught:
                first.append(decision(5, owner))
            assert caught.value.code == "personal-key-other"
        second.append(decision(5, ALICE))
        assert second.verify().ok


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602])
def test_an_exposed_key_is_refused(filled: Store, key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(PersonalKeyError) as caught:
        filled.open()
    assert caught.value.code == "personal-key-exposed"
    with filled.open(read_only=True) as reader:
        assert reader.sealed(1) == {"owner"}


@pytest.mark.parametrize("damage", [b"", b"\xff", b"text", b"PERSONAL+KEY+a+b+c\n"])
def test_a_damaged_key_is_refused(filled: Store, key: Path, damage: bytes) -> None:
    whole = key.read_bytes()
    for content in (damage, whole[:-9] + b"\n", whole + whole, whole.replace(b"+", b" ")):
        key.write_bytes(content)
        with pytest.raises(PersonalKeyError) as caught:
            filled.open()
        assert caught.value.code == "personal-key"
        assert whole.decode().rsplit("+", 1)[1].strip()[:8] not in str(caught.value), "no message holds any of it"


def test_what_nobody_can_read_is_put_on_record_and_the_ledger_goes_on(filled: Store, key: Path) -> None:
    key.unlink()
    with filled.open() as ledger:
        dry = erase_unreadable(ledger, reason="the key is lost", dry_run=True)
        done = erase_unreadable(ledger, reason="the key is lost")
        assert done.values == dry.values == ((0, "actor"), (0, "owner"), (1, "owner"))
        body = ledger.entry(done.entries[0]).document["body"]
        assert body["unreadable"] is True
        assert key.exists()
        ledger.append(decision(5, ALICE))
        assert ledger.personal(3)["owner"] == ALICE
        report = ledger.verify()
        assert report.ok, report.problems


def test_a_hold_stands_against_a_lost_key_until_it_is_released(filled: Store, key: Path) -> None:
    with filled.open() as ledger:
        hold = place_hold(ledger, Scope("subject"), reason="case", subject=ALICE)
    key.unlink()
    with filled.open() as ledger:
        with pytest.raises(HeldError):
            erase_unreadable(ledger, reason="the key is lost")
        release_hold(ledger, hold.id, reason="closed")
        assert len(erase_unreadable(ledger, reason="the key is lost").values) == 4
        assert ledger.verify().ok


def test_with_the_key_only_what_does_not_open_is_unreadable(filled: Store) -> None:
    with filled.open() as ledger:
        with pytest.raises(LedgerError) as caught:
            erase_unreadable(ledger, reason="nothing is")
        assert caught.value.code == "subject-missing"
        bob = ledger._vault.subject(BOB)
        with filled.administrator() as connection:
            connection.execute("DELETE FROM subject_key WHERE subject = ?", (bob,))
        assert erase_unreadable(ledger, reason="a key is gone").values == ((0, "actor"), (1, "owner"))
        assert ledger.personal(0) == {"owner": ALICE}
        assert ledger.verify().ok


def test_a_destroyed_key_is_not_used_again(filled: Store) -> None:
    """Another process erases a person that this one has the key of in memory."""
    with filled.open() as first, filled.open() as second:
        first.append(decision(5, ALICE))
        second.erase(ALICE, reason=REASON)
        index = first.append(decision(6, ALICE)).index
        assert first.personal(index) == second.personal(index) == {"owner": ALICE}
        report = first.verify()
        assert report.ok, report.problems


def test_a_changed_key_closes_older_backups(filled: Store, key: Path, tmp_path: Path) -> None:
    before = key.read_text()
    with filled.copied(tmp_path / "backup") as backup:
        change_the_key(filled)
        assert key.read_text() != before
        assert not key.with_name(f"{key.name}.next").exists()
        shutil.copy2(key, backup.personal_key)
        with backup.open(read_only=True) as restored:
            assert restored.personal(0) == {}, "the new key opens nothing of the backup"


def change_the_key(filled: Store) -> None:
    with filled.open() as ledger:
        old_names = names(filled)
        index = rekey(ledger, reason="yearly", ticket="OPS-1").index
        body = ledger.entry(index).document["body"]
        assert (body["reason"], body["ticket"]) == ("yearly", "OPS-1")
        assert body["old"] != body["new"]
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        ledger.append(decision(5, ALICE))
        report = ledger.verify()
        assert report.ok, report.problems
        assert old_names.isdisjoint(names(filled))
        assert len(ledger.erase(ALICE, reason=REASON).values) == 2


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_change_of_the_key_that_is_cut_short_is_finished_or_taken_back(
    filled: Store, key: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with filled.open() as ledger, monkeypatch.context() as patch:
        target = (rekeying, "_change_over") if moment == "before the commit" else (Path, "replace")
        patch.setattr(*target, die)
        with pytest.raises(KeyboardInterrupt):
            rekey(ledger, reason="yearly")
    coming = key.with_name(f"{key.name}.next")
    assert coming.exists()
    with filled.open(read_only=True) as reader:
        assert reader.personal(0) == {"owner": ALICE, "actor": BOB}
    with filled.open() as ledger:
        assert not coming.exists()
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        ledger.append(decision(5, ALICE))
        report = ledger.verify()
        assert report.ok, report.problems


def test_the_key_is_not_changed_while_a_value_does_not_open(filled: Store, key: Path) -> None:
    before = key.read_text()
    with filled.administrator() as connection:
        connection.execute("UPDATE subject_key SET wrapped = substr(wrapped, 1, 8) || zeroblob(60)")
    with filled.open() as ledger, pytest.raises(LedgerError):
        rekey(ledger, reason="yearly")
    assert key.read_text() == before


@pytest.mark.parametrize("forged", ["sealed = CAST(X'ff' AS TEXT)", "sealed = 7", "name = X'00'", "leaf_index = 'x'"])
def test_the_key_is_not_changed_over_a_value_of_another_form(tmp_path: Path, forged: str) -> None:
    """On SQLite a column holds anything."""
    place = sqlite_store(tmp_path)
    with place.open() as ledger:
        ledger.append(decision(1, ALICE))
        ledger.append(decision(2, ALICE))
    before = place.personal_key.read_text()
    with place.administrator() as connection:
        connection.execute(f"UPDATE personal SET {forged} WHERE leaf_index = 1")
    with place.open() as ledger, pytest.raises(LedgerError) as caught:
        rekey(ledger, reason="yearly")
    assert caught.value.code == "personal-key-changed"
    assert place.personal_key.read_text() == before


def test_subject_access_finds_all_and_is_on_record(filled: Store) -> None:
    with filled.open() as ledger:
        found = subject_access(ledger, f" {BOB.upper()}")
        assert [(each.entry.index, each.name, each.value, each.altered) for each in found] == [
            (0, "actor", BOB, False),
            (1, "owner", BOB, False),
        ]
        record_access(ledger, BOB, len(found))
        again = subject_access(ledger, BOB)
        assert [(each.entry.type, each.name) for each in again][-1] == ("officer-query", "subject")
        index = record_access(ledger, "nobody", 0).index
        assert ledger.entry(index).document["commitments"] == {}
        assert ledger.verify().ok
