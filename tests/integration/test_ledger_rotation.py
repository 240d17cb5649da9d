"""Key rotation on real ledgers: who may append before and after, and what a stolen key, old or new, does not give."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
from policy_audit.canonical import canonical_bytes
from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import AuditError, LedgerError, SigningKeyError, VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer, read_key_file, write_key_file
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.note import split_note
from policy_audit.proof import parse_proof
from policy_audit.rotation import Rotation, sign_statement

from tests.integration.tampering import decision, failed
from tests.stores import Store


class Rotated:
    """A ledger of eleven entries that rotated at entry 11, and went on to fourteen."""

    def __init__(self, store: Store, restore: Callable[[], None]) -> None:
        self.store, self.restore = store, restore
        self.old = read_key_file(store.key)
        self.new = generate_signer(self.old.name)
        self.new_file = store.key.with_name("new.key")
        write_key_file(self.new_file, self.new)
        with store.open() as ledger:
            self.kept_before = ledger.checkpoint()
            self.receipt = ledger.receipt(6), ledger.entry(6).raw
            assert ledger.rotate_key(self.new, "yearly").index == 11
            self.kept_at = ledger.checkpoint()
            ledger.append_many([decision(20), decision(21)])
            self.kept_after = ledger.checkpoint()
        shutil.copy2(store.personal_key, f"{self.new_file}.personal")

    def open(self) -> Ledger:
        return self.store.open(key_path=self.new_file)


@pytest.fixture
def rotated(filled: Store) -> Iterator[Rotated]:
    with filled.backup() as restore:
        yield Rotated(filled, restore)


def test_both_sign_the_rotations_checkpoint_and_the_new_key_alone_the_later_ones(rotated: Rotated) -> None:
    def ids(note: str) -> list[bytes]:
        return [line.key_id for line in split_note(note)[1]]

    old, new = rotated.old.key_id, rotated.new.key_id
    assert [ids(note) for note in (rotated.kept_before, rotated.kept_at, rotated.kept_after)] == [
        [old],
        [old, new],
        [new],
    ]
    with rotated.open() as ledger:
        body = ledger.entry(11).document["body"]
    assert (body["old"], body["new"], body["reason"]) == (rotated.old.verifier_key, rotated.new.verifier_key, "yearly")


@pytest.mark.parametrize("pin", ["old", "new", "both"])
def test_it_verifies_by_either_key(rotated: Rotated, pin: str) -> None:
    keys = {"old": [rotated.old], "new": [rotated.new], "both": [rotated.old, rotated.new]}[pin]
    with rotated.open() as ledger:
        kept = (rotated.kept_before, rotated.kept_at, rotated.kept_after)
        report = ledger.verify([key.verifier_key for key in keys], kept=kept)
    assert report.ok, report.problems
    assert report.step("kept").checked == 3


def test_receipts_under_the_old_key_stay_valid(rotated: Rotated) -> None:
    receipt, raw = rotated.receipt
    assert parse_proof(receipt).verify(raw, [rotated.old.verifier_key], rotated.old.name).size == 10


def test_the_old_key_appends_no_more(rotated: Rotated) -> None:
    with pytest.raises(SigningKeyError) as caught:
        rotated.store.open()
    assert caught.value.code == "signing-key-rotated"
    assert caught.value.help
    with rotated.store.open(read_only=True) as ledger:
        assert ledger.verify().ok, "reading signs nothing, and the old key leads to the new one"


def test_right_after_the_rotation_the_old_key_appends_no_more_either(filled: Store) -> None:
    """The head is then signed by both keys, so that the old one's signature is on it."""
    with filled.open() as late, filled.open() as ledger:
        late.append(decision(30))
        ledger.rotate_key(generate_signer(ledger.origin))
        with pytest.raises(SigningKeyError) as caught:
            late.append(decision(31))
    assert caught.value.code == "signing-key-rotated"
    with pytest.raises(SigningKeyError):
        filled.open()


def test_a_rotation_hidden_from_the_query_lets_the_old_key_append_no_more(filled: Store) -> None:
    with filled.open() as ledger:
        ledger.rotate_key(generate_signer(ledger.origin))
    with filled.administrator() as connection:
        connection.execute("UPDATE log_entry SET type = 'hold' WHERE leaf_index = 11")
    with pytest.raises(LedgerError) as caught:
        filled.open()
    assert caught.value.code == "ledger-tampered"
    with filled.open(read_only=True) as ledger:
        assert "entries" in failed(ledger.verify())


def forge(store: Store, signer: Ed25519Signer, *entries: bytes) -> None:
    """Extend a ledger as an administrator who has a key, without this package's scruples."""
    with store.administrator() as connection:
        size, blob = connection.execute("SELECT size, frontier FROM log_checkpoint ORDER BY size DESC").fetchone()
        frontier = Frontier.from_bytes(blob)
        for index, raw in enumerate(entries, start=size):
            leaf = leaf_hash(raw)
            frontier.append(leaf)
            kind = raw.partition(b'"type":"')[2].partition(b'"')[0].decode()
            values = (index, kind, "2026-01-31T12:00:00.000000Z", leaf, raw)
            connection.execute("INSERT INTO log_entry VALUES (?, ?, ?, ?, ?)", values)
        note = sign_checkpoint(Checkpoint(signer.name, frontier.size, frontier.root()), signer)
        values = (frontier.size, frontier.root(), frontier.to_bytes(), note)
        connection.execute("INSERT INTO log_checkpoint VALUES (?, ?, ?, ?)", values)


def raw_entry(kind: str = "hold", **body: object) -> bytes:
    members = {"context": {}, "commitments": {}, "blobs": {}, "recorded_at": "2026-01-31T12:00:00.000000Z"}
    return canonical_bytes({"entry": "policy-audit/v1", "type": kind, "body": body, **members})


def test_a_stolen_old_key_does_not_extend_the_log(rotated: Rotated) -> None:
    forge(rotated.store, rotated.old, raw_entry())
    for key in (rotated.old, rotated.new):
        with rotated.store.open(read_only=True) as ledger:
            report = ledger.verify([key.verifier_key])
        assert "checkpoints" in failed(report)
        assert "not in force at size 15" in report.problems[0]
    with pytest.raises(LedgerError):
        rotated.open().append(decision(40))


def test_a_kept_checkpoint_that_the_old_key_signed_too_late_is_found(rotated: Rotated) -> None:
    honest = parse_checkpoint(rotated.kept_after)
    late = sign_checkpoint(honest, rotated.old)
    with rotated.open() as ledger:
        report = ledger.verify([rotated.old.verifier_key], kept=[late])
    assert failed(report) == ["kept"]


def test_a_stolen_old_key_cannot_rotate_again(rotated: Rotated) -> None:
    thief = generate_signer(rotated.old.name)
    with rotated.open() as ledger:
        root = parse_checkpoint(ledger.checkpoint()).root
    made = Rotation(rotated.old.name, 14, root, rotated.old.verifier_key, thief.verifier_key)
    statement = sign_statement(made, rotated.old, thief)
    forge(rotated.store, thief, raw_entry("key-rotation", old=made.old, new=made.new, statement=statement))
    with rotated.store.open(read_only=True) as ledger:
        report = ledger.verify([rotated.old.verifier_key])
    assert "checkpoints" in failed(report)
    assert report.step("checkpoints").first_index == 14


def test_rolled_back_to_before_the_rotation_is_found_by_whoever_pinned_the_new_key(rotated: Rotated) -> None:
    rotated.restore()
    forge(rotated.store, rotated.old, raw_entry())
    with rotated.store.open(read_only=True) as ledger:
        assert ledger.verify([rotated.old.verifier_key]).ok, "nothing kept, nothing found: the README says so"
        assert not ledger.verify([rotated.new.verifier_key]).ok
        assert not ledger.verify([rotated.old.verifier_key, rotated.new.verifier_key]).ok
        assert "kept" in failed(ledger.verify([rotated.old.verifier_key], kept=[rotated.kept_before, rotated.kept_at]))


def test_a_rotation_signed_for_another_tree_is_found(filled: Store) -> None:
    old = read_key_file(filled.key)
    new = generate_signer(old.name)
    made = Rotation(old.name, 11, bytes(32), old.verifier_key, new.verifier_key)
    raw = raw_entry("key-rotation", old=made.old, new=made.new, statement=sign_statement(made, old, new))
    forge(filled, old, raw)
    with filled.administrator() as connection:
        (root,) = connection.execute("SELECT root FROM log_checkpoint WHERE size = 12").fetchone()
        both = sign_checkpoint(Checkpoint(old.name, 12, root), old, new)
        connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = 12", (both,))
    with filled.open(read_only=True) as ledger:
        report = ledger.verify([old.verifier_key])
    assert failed(report) == ["checkpoints"]
    assert "another tree" in report.problems[0]


def test_a_rotation_is_no_ordinary_entry(filled: Store) -> None:
    with filled.open() as ledger, pytest.raises(LedgerError):
        ledger.append(Draft(EntryType.KEY_ROTATION, body={}))


def test_another_ledgers_key_or_an_earlier_one_does_not_take_over(rotated: Rotated) -> None:
    with rotated.open() as ledger:
        for wrong in (generate_signer("example.com/other"), rotated.old, rotated.new):
            with pytest.raises(AuditError):
                ledger.rotate_key(wrong)
        assert ledger.verify().entries == 14
    with rotated.store.open(read_only=True) as reader, pytest.raises(LedgerError):
        reader.rotate_key(generate_signer(rotated.old.name))


def test_threads_that_append_while_the_key_rotates_lose_nothing(filled: Store) -> None:
    with filled.open() as ledger:
        signers = [generate_signer(ledger.origin) for _ in range(3)]

        def work(number: int) -> None:
            for step in range(15):
                ledger.append(decision(100 + 20 * number + step))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for signer in signers:
            ledger.rotate_key(signer)
        for thread in threads:
            thread.join()
        report = ledger.verify()
    assert report.ok, report.problems
    assert report.entries == 11 + 60 + 3


def test_a_ledger_in_memory_rotates_too() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        first = ledger.verifier_key
        ledger.rotate_key(generate_signer(ledger.origin))
        ledger.append(decision(1))
        assert first is not None
        assert ledger.verifier_key != first
        assert ledger.verify([first]).ok
        with pytest.raises(VerificationError):
            parse_proof(ledger.receipt(1)).verify(ledger.entry(1).raw, [first], str(ledger.origin))
