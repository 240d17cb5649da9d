"""A person is erased: what goes, what stays, and what an attacker finds afterwards."""

from __future__ import annotations

import base64
import sqlite3
import unicodedata
from collections.abc import Iterator

import pytest
from policy_audit.canonical import MAX_ENTRY_BYTES
from policy_audit.changing import By
from policy_audit.commitment import Disclosure, opens
from policy_audit.errors import HeldError, LedgerError
from policy_audit.holding import place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.proof import parse_proof

from tests.integration.persons import ALICE, BOB, decision, files_hold
from tests.integration.tampering import failed, file_alone
from tests.stores import SQLITE, Store

REASON = "request under Art. 17"


@pytest.fixture
def ledger(store: Store) -> Iterator[Ledger]:
    """Alice owns 0 and 2 and acts in 1; bob is in all three."""
    with store.open() as ledger:
        ledger.append(decision(0, ALICE, actor=BOB))
        ledger.append_many([decision(1, BOB, actor=ALICE), decision(2, ALICE, actor=BOB)])
        yield ledger


def rows(store: Store, table: str, where: str = "true", *values: object) -> int:
    with store.connection() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0])


def wrapped_keys(store: Store) -> set[bytes]:
    with store.connection() as connection:
        return {row[0] for row in connection.execute("SELECT wrapped FROM subject_key")}


def test_all_values_of_the_person_go_and_the_tree_stays(ledger: Ledger, store: Store) -> None:
    receipt, raw, kept = ledger.receipt(0), ledger.entry(0).raw, ledger.checkpoint()
    done = ledger.erase(ALICE, reason=REASON, ticket="GDPR-7")
    assert done.values == ((0, "owner"), (1, "actor"), (2, "owner"))
    assert done.entries == (3,)
    assert done.overwritten is (store.kind == SQLITE), "a server overwrites by VACUUM"
    assert [ledger.personal(index) for index in range(3)] == [{"actor": BOB}, {"owner": BOB}, {"actor": BOB}]
    assert ledger.erased() == set(done.values)
    entry = ledger.entry(3)
    assert entry.document["body"] == {
        "erased": [{"index": index, "name": name} for index, name in done.values],
        "reason": REASON,
        "ticket": "GDPR-7",
    }
    assert entry.document["commitments"] == {}
    report = ledger.verify(kept=[kept])
    assert report.ok, report.problems
    parse_proof(receipt).verify(raw, [str(ledger.verifier_key)], str(ledger.origin))
    assert rows(store, "subject_key") == 1


@file_alone
def test_nothing_of_the_person_is_left_in_the_files(ledger: Ledger, store: Store) -> None:
    path = store.path
    assert path is not None
    connection = sqlite3.connect(path)
    sealed = [row[0] for row in connection.execute("SELECT sealed FROM personal WHERE leaf_index = 0")]
    (subject, wrapped), _ = connection.execute("SELECT subject, wrapped FROM subject_key ORDER BY rowid").fetchall()
    connection.close()
    needles = [wrapped, *sealed]
    assert files_hold(path, *needles), "the needles are in the files before"
    ledger.erase(ALICE, reason=REASON)
    ledger.erase(BOB, reason=REASON)
    names = [form.encode() for value in (ALICE, BOB) for form in (value, value.casefold(), value[:6])]
    assert files_hold(path, *needles, subject.encode(), *names) == []


def test_a_name_cannot_be_tried_against_what_stays(ledger: Ledger, store: Store) -> None:
    """Whoever has database, personal key and the right name has no salt: it was destroyed, and no two are the same."""
    commitments = [ledger.entry(index).document["commitments"]["owner"] for index in (0, 2)]
    assert commitments[0] != commitments[1], "the same name, another salt"
    salts = {d.salt for index in range(3) for d in ledger.disclosures(index).values()}
    assert len(salts) == 6
    assert {len(base64.urlsafe_b64decode(salt + "==")) for salt in salts} == {16}
    ledger.erase(ALICE, reason=REASON)
    left = [d for index in range(4) for d in ledger.disclosures(index).values()]
    tried = [Disclosure(salt, "owner", ALICE) for salt in ("", *(each.salt for each in left))]
    assert not any(opens(commitment, each) for commitment in commitments for each in tried)
    subject = ledger._vault.subject(ALICE)
    for table in ("personal", "subject_key"):
        assert rows(store, table, "subject = ?", subject) == 0


@file_alone
def test_a_reader_that_keeps_the_log_from_being_emptied_is_told(ledger: Ledger, store: Store) -> None:
    assert store.path is not None
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM log_entry").fetchone()
    reader.execute("PRAGMA busy_timeout = 0")
    done = ledger.erase(ALICE, reason=REASON)
    assert not done.overwritten
    reader.execute("ROLLBACK")
    reader.close()
    ledger.close()
    with store.open() as again:
        assert again.verify().ok


@pytest.mark.parametrize(
    "given",
    [
        ALICE.upper(),
        unicodedata.normalize("NFD", ALICE),
        f"  {ALICE}\t\n",
        unicodedata.normalize("NFD", ALICE.upper()) + "\u00a0",
    ],
)
def test_another_spelling_is_the_same_person(ledger: Ledger, given: str) -> None:
    ledger.append(Draft(EntryType.EXPORT, personal={"requester": unicodedata.normalize("NFC", given)}))
    assert (3, "requester") in ledger.erase(ALICE, reason=REASON).values
    ledger.append(decision(4, ALICE))
    assert ledger.erase(given, reason=REASON).values == ((5, "owner"),)
    assert ledger.verify().ok


def test_a_value_that_only_holds_the_name_is_another_persons(ledger: Ledger) -> None:
    others = [f"{ALICE}.other", f"x{ALICE}", f"{ALICE}, {BOB}", "alice", ALICE.replace("ü", "u")]
    first = ledger.append_many([decision(10 + n, other) for n, other in enumerate(others)])[0].index
    ledger.erase(ALICE, reason=REASON)
    assert [ledger.personal(first + n)["owner"] for n in range(len(others))] == others


def test_nobody_is_erased_who_is_not_there(ledger: Ledger) -> None:
    size = len(ledger.list_entries())
    for nobody in ("carol@acme.example", ""):
        with pytest.raises(LedgerError) as caught:
            ledger.erase(nobody, reason=REASON)
        assert caught.value.code == "subject-missing"
    assert len(ledger.list_entries()) == size


@pytest.mark.parametrize(
    "reason",
    [
        f"{ALICE} asked",
        f"asked by {ALICE.upper()}",
        "Alice.Müller asked",
        "asked by (alice.müller).",
        "",
        "  ",
        "x" * 1001,
    ],
)
def test_the_reason_may_not_name_the_person(ledger: Ledger, reason: str) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger.erase(ALICE, reason=reason)
    assert caught.value.code in ("reason-names-subject", "reason")
    assert caught.value.message[:10] == f"{'the reason' if reason.strip() and len(reason) < 1000 else 'a reason o'}"
    with pytest.raises(LedgerError):
        ledger.erase(ALICE, reason=REASON, ticket=f"ticket of {ALICE}")
    assert len(ledger.list_entries()) == 3


def test_who_erases_themselves_is_not_put_back_by_it(ledger: Ledger, store: Store) -> None:
    by = By({"actor": ALICE.upper(), "approver": BOB}, {"actor_known_by": "asserted"})
    (index,) = ledger.erase(ALICE, reason=REASON, by=by).entries
    assert ledger.personal(index) == {"approver": BOB}
    assert ledger.entry(index).document["context"] == {"actor_known_by": "asserted", "by_subject": ["actor"]}
    assert rows(store, "subject_key") == 1
    assert ledger.verify().ok


def test_a_dry_run_changes_nothing(ledger: Ledger) -> None:
    before = ledger.checkpoint()
    done = ledger.erase(ALICE, reason=REASON, dry_run=True)
    assert (len(done.values), done.entries) == (3, ())
    assert ledger.checkpoint() == before
    assert ledger.personal(0)["owner"] == ALICE


def test_more_than_one_entry_can_name(store: Store) -> None:
    names = [f"n{number:04}" + "x" * 40 for number in range(500)]
    with store.open() as ledger:
        for _ in range(4):
            ledger.append(Draft(EntryType.EXPORT, personal=dict.fromkeys(names, ALICE)))
        done = ledger.erase(ALICE, reason=REASON)
        assert len(done.values) == 2000
        assert len(done.entries) > 1
        bodies = [ledger.entry(index).document["body"] for index in done.entries]
        assert [body["part"] for body in bodies] == list(range(1, len(bodies) + 1))
        assert {body["parts"] for body in bodies} == {len(bodies)}
        assert sum(len(body["erased"]) for body in bodies) == 2000
        assert len({ledger.entry(index).recorded_at for index in done.entries}) == 1, "one commit"
        assert all(len(ledger.entry(index).raw) <= MAX_ENTRY_BYTES for index in done.entries)
        report = ledger.verify()
        assert report.ok, report.problems


def test_a_value_recorded_after_the_erasure_gets_a_new_key(ledger: Ledger, store: Store) -> None:
    before = wrapped_keys(store)
    ledger.erase(ALICE, reason=REASON)
    ledger.append(decision(9, ALICE))
    assert len(wrapped_keys(store) - before) == 1
    assert ledger.personal(4)["owner"] == ALICE
    assert ledger.verify().ok


def test_a_rolled_back_append_leaves_no_key_behind(store: Store) -> None:
    with store.open() as ledger:
        with pytest.raises(LedgerError):
            ledger.append_many([decision(0, ALICE), Draft(EntryType.EXPORT, body={"x": 1.5})])
        assert rows(store, "subject_key") == 0
        ledger.append(decision(0, ALICE))
        assert ledger.personal(0)["owner"] == ALICE
        assert ledger.verify().ok


@pytest.mark.parametrize("hidden", [False, True])
def test_a_hold_refuses_and_the_refusal_is_on_record(ledger: Ledger, store: Store, hidden: bool) -> None:
    hold = place_hold(ledger, Scope("workload", namespace="default", workload="w2"), reason="case 12", identifier="c12")
    if hidden:  # an administrator hides the hold from whoever goes by the column
        with store.administrator() as connection:
            connection.execute("UPDATE log_entry SET type = 'export' WHERE leaf_index = ?", (hold.index,))
    with pytest.raises(HeldError) as caught:
        ledger.erase(ALICE, reason=REASON, ticket="GDPR-7")
    refusal = ledger.entry(int(caught.value.index or 0)).document
    assert refusal["type"] == "erasure"
    assert refusal["body"] == {"refused": {"holds": ["c12"]}, "reason": REASON, "ticket": "GDPR-7"}
    assert ledger.personal(0)["owner"] == ALICE
    assert ledger.erased() == set()
    dry = ledger.erase(ALICE, reason=REASON, dry_run=True)
    assert dry.holds == ("c12",)
    if not hidden:
        assert ledger.verify().ok
    release_hold(ledger, "c12", reason="closed")
    assert len(ledger.erase(ALICE, reason=REASON).values) == 3


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM log_entry WHERE leaf_index = 3",
        "UPDATE log_entry SET entry = (SELECT entry FROM log_entry WHERE leaf_index = 0) WHERE leaf_index = 3",
        "UPDATE log_entry SET entry = X'00' WHERE leaf_index = 3",
    ],
)
def test_nothing_is_erased_in_a_ledger_that_was_tampered_with(ledger: Ledger, store: Store, attack: str) -> None:
    place_hold(ledger, Scope("all"), reason="case 12")
    with store.administrator() as connection:
        connection.execute(attack)
    with pytest.raises(LedgerError) as caught:
        ledger.erase(ALICE, reason=REASON)
    assert caught.value.code == "ledger-tampered"
    assert rows(store, "personal") == 6


def test_a_hold_on_the_person_is_not_lifted_by_erasing_the_person(ledger: Ledger, store: Store) -> None:
    hold = place_hold(ledger, Scope("subject"), reason="case 12", subject=ALICE.upper(), by=By({"actor": BOB}))
    assert ledger.personal(hold.index) == {"subject": ALICE.upper(), "actor": BOB}
    for person in (ALICE, BOB):  # bob is in entries on alice
        with pytest.raises(HeldError):
            ledger.erase(person, reason=REASON)
    assert ledger.verify().ok
    release_hold(ledger, hold.id, reason="closed")
    assert (hold.index, "subject") in ledger.erase(ALICE, reason=REASON).values
    assert ledger.verify().ok


def test_a_hold_whose_person_is_not_known_any_more_is_on_everyone(ledger: Ledger, store: Store) -> None:
    hold = place_hold(ledger, Scope("subject"), reason="case 12", subject="carol@acme.example")
    with store.administrator() as connection:
        connection.execute("DELETE FROM personal WHERE leaf_index = ?", (hold.index,))
    with pytest.raises(HeldError):
        ledger.erase(BOB, reason=REASON)


def test_a_value_of_another_that_was_put_under_the_person_is_not_erased(ledger: Ledger, store: Store) -> None:
    """Else whoever has the database could have values destroyed by somebody else's erasure, and excused by it."""
    with store.administrator() as connection:
        alice = connection.execute("SELECT subject FROM personal WHERE leaf_index = 0 AND name = 'owner'").fetchone()
        connection.execute("UPDATE personal SET subject = ? WHERE leaf_index = 1 AND name = 'owner'", alice)
    with pytest.raises(LedgerError) as caught:
        ledger.erase(ALICE, reason=REASON)
    assert caught.value.code == "ledger-tampered"
    assert rows(store, "personal") == 6


def test_the_administrator_who_deletes_values_is_found(ledger: Ledger, store: Store) -> None:
    with store.connection() as connection:
        connection.execute("DELETE FROM personal WHERE leaf_index = 0 AND name = 'owner'")
    report = ledger.verify()
    assert failed(report) == ["personal"]
    assert report.first_failing_index == 0


def test_an_erasure_excuses_nothing_that_came_after_it(store: Store) -> None:
    with store.open() as ledger:
        ledger.append(Draft(EntryType.ERASURE, body={"erased": [{"index": n, "name": "owner"} for n in range(9)]}))
        ledger.append_many([decision(n, ALICE) for n in range(2)])
        with store.administrator() as connection:
            connection.execute("DELETE FROM personal")
            connection.execute("DELETE FROM subject_key")
        assert failed(ledger.verify()) == ["personal"]
        assert ledger.erased() == set()


def test_an_erased_value_that_is_put_back_is_found(ledger: Ledger, store: Store) -> None:
    with store.connection() as connection:
        value = connection.execute("SELECT * FROM personal WHERE leaf_index = 0 AND name = 'owner'").fetchone()
        key = connection.execute("SELECT * FROM subject_key WHERE subject = ?", (value[2],)).fetchone()
    ledger.erase(ALICE, reason=REASON)
    with store.connection() as connection:
        connection.execute("INSERT INTO personal VALUES (?, ?, ?, ?)", value)
        connection.execute("INSERT INTO subject_key VALUES (?, ?)", key)
    report = ledger.verify()
    assert failed(report) == ["personal"]
    assert "held all the same" in report.problems[0]


def test_a_forged_erasure_fails_the_tree(ledger: Ledger, store: Store) -> None:
    from policy_audit.canonical import canonical_bytes
    from policy_audit.merkle import leaf_hash

    entry = {**ledger.entry(2).document, "type": "erasure", "commitments": {}, "blobs": {}}
    del entry["view"]
    entry["body"] = {"erased": [{"index": 0, "name": "owner"}], "reason": "none"}
    forged = canonical_bytes(entry)
    with store.administrator() as connection:
        values = (3, "erasure", entry["recorded_at"], leaf_hash(forged), forged)
        connection.execute("INSERT INTO log_entry VALUES (?, ?, ?, ?, ?)", values)
        connection.execute("DELETE FROM personal WHERE leaf_index = 0 AND name = 'owner'")
    assert failed(ledger.verify()) == ["tree"]


def test_a_scratch_ledger_erases_too() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append(decision(0, ALICE))
        assert ledger.erase(ALICE, reason=REASON).values == ((0, "owner"),)
        assert ledger.verify().ok


def test_who_reads_alone_erases_nothing(ledger: Ledger, store: Store) -> None:
    with store.open(read_only=True) as reader, pytest.raises(LedgerError) as caught:
        reader.erase(ALICE, reason=REASON)
    assert caught.value.code == "ledger-read-only"
