"""Key rotation, without a database: the statement, and which key signs from which size on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer
from policy_audit.note import sign_note, split_note
from policy_audit.rotation import KeyHistory, Rotation, open_statement, read_rotation, sign_statement

NAME = "example.com/log"
A, B, C, THIEF = (generate_signer(NAME) for _ in range(4))
ROOT = bytes(range(32))


def rotation(old: Ed25519Signer, new: Ed25519Signer, size: int) -> Rotation:
    return Rotation(NAME, size, ROOT, old.verifier_key, new.verifier_key)


def entry(made: Rotation, signed: str, **changed: object) -> bytes:
    body = {"old": made.old, "new": made.new, "statement": signed, **changed}
    return json.dumps(
        {"entry": "policy-audit/v1", "type": "key-rotation", "body": body}, separators=(",", ":")
    ).encode()


def rotated(old: Ed25519Signer, new: Ed25519Signer, size: int) -> tuple[int, bytes]:
    made = rotation(old, new, size)
    return size, entry(made, sign_statement(made, old, new))


CHAIN = [rotated(A, B, 5), rotated(B, C, 9)]


def head(size: int, *signers: Ed25519Signer) -> str:
    return sign_checkpoint(Checkpoint(NAME, size, ROOT), *signers)


def test_a_statement_is_read_as_it_was_signed_and_is_no_checkpoint() -> None:
    made = rotation(A, B, 5)
    note = sign_statement(made, A, B)
    assert open_statement(note) == made
    with pytest.raises(VerificationError):
        parse_checkpoint(note)


@pytest.mark.parametrize("signers", [(A,), (B,), (A, THIEF), (THIEF, B), (THIEF,)])
def test_a_statement_that_one_of_the_two_has_not_signed_is_refused(signers: tuple[Ed25519Signer, ...]) -> None:
    text, _ = split_note(sign_statement(rotation(A, B, 5), A, B))
    with pytest.raises(VerificationError):
        open_statement(sign_note(text, *signers))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("size 5", "size 05"),
        lambda text: text.replace("size 5", "size -5"),
        lambda text: text.replace("size 5\n", ""),
        lambda text: text.replace("/v1\n", "/v2\n"),
        lambda text: text + "more\n",
        lambda text: text.replace(f"origin {NAME}", "origin another.example"),
        lambda text: text.replace(B.verifier_key, A.verifier_key),
        lambda text: text.replace("root ", "root A"),
        lambda text: text.replace("root ", "root AAAA "),
    ],
)
def test_a_malformed_statement_is_refused_though_both_keys_signed_it(change: object) -> None:
    text, _ = split_note(sign_statement(rotation(A, B, 5), A, B))
    changed = change(text)  # type: ignore[operator]
    assert changed != text
    with pytest.raises(VerificationError):
        open_statement(sign_note(changed, A, B))


def test_a_long_statement_is_refused_before_it_is_read() -> None:
    with pytest.raises(VerificationError, match="too long"):
        open_statement("x\n" * 10_000)


def test_a_key_of_another_name_cannot_take_over() -> None:
    other = generate_signer("example.com/other")
    made = replace(rotation(A, B, 5), new=other.verifier_key)
    with pytest.raises(VerificationError):
        sign_statement(made, A, other)


def test_an_entry_of_another_type_or_format_is_no_rotation() -> None:
    assert read_rotation(0, b"\xff") is None
    assert read_rotation(0, b'"key-rotation"') is None
    assert read_rotation(0, b'{"type":"key-rotation"}') is None
    assert read_rotation(0, b'{"entry":"policy-audit/v1","type":"hold","body":{"a":"key-rotation"}}') is None
    assert read_rotation(0, b'"key-rotation"' + b"[" * 60_000) is None


@pytest.mark.parametrize("changed", [{"old": B.verifier_key}, {"new": THIEF.verifier_key}, {"statement": 1}])
def test_an_entry_that_says_otherwise_than_its_statement_is_refused(changed: dict[str, object]) -> None:
    made = rotation(A, B, 5)
    with pytest.raises(VerificationError):
        read_rotation(5, entry(made, sign_statement(made, A, B), **changed))


def test_a_statement_is_good_at_one_index_alone() -> None:
    index, raw = rotated(A, B, 5)
    assert read_rotation(index, raw) == rotation(A, B, 5)
    with pytest.raises(VerificationError, match="index 5"):
        read_rotation(6, raw)


@pytest.mark.parametrize("pinned", [A, B, C], ids="ABC")
def test_whoever_pins_any_key_of_the_chain_follows_it_both_ways(pinned: Ed25519Signer) -> None:
    history = KeyHistory.from_entries(NAME, [pinned.verifier_key], CHAIN)
    assert not history.problems
    signers = {0: [A], 5: [A], 6: [A, B], 7: [B], 9: [B], 10: [B, C], 11: [C], 99: [C]}
    for size, expected in signers.items():
        assert history.keys_at(size) == [each.verifier_key for each in expected]
        assert history.open(head(size, *expected)).size == size


@pytest.mark.parametrize(
    ("size", "signers"),
    [
        (7, (A,)),
        (8, (A,)),
        (50, (A,)),
        (50, (B,)),
        (50, (A, B)),
        (6, (A,)),
        (6, (B,)),
        (5, (B,)),
        (9, (C,)),
        (10, (C,)),
        (50, (THIEF,)),
    ],
)
def test_a_key_signs_nothing_before_or_after_its_time(size: int, signers: tuple[Ed25519Signer, ...]) -> None:
    for pinned in ([A], [B], [C], [A, B, C]):
        history = KeyHistory.from_entries(NAME, [key.verifier_key for key in pinned], CHAIN)
        with pytest.raises(VerificationError):
            history.open(head(size, *signers))


def test_a_stolen_old_key_is_named() -> None:
    history = KeyHistory.from_entries(NAME, [A.verifier_key], CHAIN)
    with pytest.raises(VerificationError) as caught:
        history.open(head(50, A))
    assert caught.value.code == "signing-key-rotated"
    assert A.key_id.hex() in caught.value.message


def test_a_pinned_key_outside_of_the_chain_trusts_none_of_it() -> None:
    history = KeyHistory.from_entries(NAME, [THIEF.verifier_key], CHAIN)
    assert history.keys == []
    for size, signer in ((3, A), (7, B), (50, C)):
        with pytest.raises(VerificationError):
            history.open(head(size, signer))


def test_two_pinned_keys_that_no_rotation_links_are_a_finding() -> None:
    """A ledger that was rolled back to before its rotation has no entry that leads to the new key."""
    for entries in ([], [rotated(A, C, 5)]):
        history = KeyHistory.from_entries(NAME, [A.verifier_key, B.verifier_key], entries)
        assert any(B.key_id.hex() in text for _, text in history.problems)
    assert not KeyHistory.from_entries(NAME, [A.verifier_key, B.verifier_key], CHAIN).problems


@pytest.mark.parametrize(
    "second",
    [rotated(THIEF, C, 9), rotated(A, C, 9), rotated(B, A, 9)],
    ids=["by a thief", "by the old key again", "back to an old key"],
)
def test_a_rotation_that_does_not_follow_is_a_problem_and_changes_nothing(second: tuple[int, bytes]) -> None:
    history = KeyHistory.from_entries(NAME, [A.verifier_key], [CHAIN[0], second])
    assert [index for index, _ in history.problems] == [9]
    assert history.keys_at(50) == [B.verifier_key]


def test_what_follows_a_rotation_that_does_not_verify_is_not_believed() -> None:
    broken = rotated(A, B, 5)[1].replace(b"size 5", b"size 6")
    history = KeyHistory.from_entries(NAME, [A.verifier_key], [(5, broken), rotated(A, THIEF, 9)])
    assert [index for index, _ in history.problems] == [5]
    assert history.keys_at(50) == [A.verifier_key]


def test_two_rotations_in_a_row() -> None:
    history = KeyHistory.from_entries(NAME, [A.verifier_key], [rotated(A, B, 5), rotated(B, C, 6)])
    assert [history.keys_at(size) for size in (5, 6, 7, 8)] == [
        [A.verifier_key],
        [A.verifier_key, B.verifier_key],
        [B.verifier_key, C.verifier_key],
        [C.verifier_key],
    ]
