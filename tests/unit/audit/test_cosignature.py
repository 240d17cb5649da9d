"""Cosignatures: the specification's bytes, and what a pinned witness changes for whoever opens a checkpoint."""

from __future__ import annotations

import base64

import pytest
from policy_audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from policy_audit.cosignature import Quorum, parse_witness_key, verify_answer, with_cosignatures
from policy_audit.errors import VerificationError
from policy_audit.keys import generate_signer
from policy_audit.note import open_note, split_note

from tests.witness import WitnessKey

LOG = generate_signer("example.com/log")
FIRST, SECOND = WitnessKey("witness.example/w1"), WitnessKey("witness.example/w2")
NOTE = sign_checkpoint(Checkpoint(LOG.name, 3, bytes(32)), LOG)
TEXT, _ = split_note(NOTE)
TIME = 1_679_315_147


def test_the_published_example_has_this_form() -> None:
    """The C2SP document's example: ten lines of base64 that hold an id, a time and an Ed25519 signature."""
    example = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    assert int.from_bytes(base64.b64decode(example)[4:12], "big") == TIME
    assert len(base64.b64decode(example)) == 4 + 8 + 64


def test_a_cosignature_gives_its_time() -> None:
    (found,) = verify_answer(TEXT, FIRST.cosign(TEXT, TIME), [FIRST.verifier_key])
    assert (found.witness, found.timestamp) == (FIRST.name, TIME)
    assert found.line == FIRST.cosign(TEXT, TIME)


def test_lines_of_other_keys_are_ignored() -> None:
    lines = SECOND.cosign(TEXT, TIME) + FIRST.cosign(TEXT, TIME)
    assert [each.witness for each in verify_answer(TEXT, lines, [FIRST.verifier_key])] == [FIRST.name]
    assert verify_answer(TEXT, SECOND.cosign(TEXT, TIME), [FIRST.verifier_key]) == []
    same_name = WitnessKey(FIRST.name)
    assert verify_answer(TEXT, same_name.cosign(TEXT, TIME), [FIRST.verifier_key]) == []


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), lambda raw: raw[:4] + b"\x80" + raw[5:]]
)
def test_a_changed_cosignature_of_a_pinned_witness_is_refused(spoil: object) -> None:
    raw = base64.b64decode(FIRST.cosign(TEXT, TIME).split()[-1])
    line = f"— {FIRST.name} {base64.b64encode(spoil(raw)).decode()}\n"  # type: ignore[operator]
    with pytest.raises(VerificationError, match="bad"):
        verify_answer(TEXT, line, [FIRST.verifier_key])
    with pytest.raises(VerificationError, match="bad"):
        open_note(NOTE + line, [LOG.verifier_key, FIRST.verifier_key])
    assert open_note(NOTE + line, [LOG.verifier_key])[1] == [LOG.name], "nobody pinned that witness"


@pytest.mark.parametrize("length", [0, 8, 71, 73])
def test_a_cosignature_of_another_length_is_bad(length: int) -> None:
    line = f"— {FIRST.name} {base64.b64encode(FIRST.key_id + bytes(length or 1)).decode()}\n"
    with pytest.raises(VerificationError, match="bad"):
        verify_answer(TEXT, line, [FIRST.verifier_key])


def test_a_cosignature_of_another_checkpoint_or_time_is_bad() -> None:
    other = TEXT.replace("\n3\n", "\n4\n")
    with pytest.raises(VerificationError, match="bad"):
        verify_answer(TEXT, FIRST.cosign(other, TIME), [FIRST.verifier_key])


def test_a_cosigned_checkpoint_opens_and_names_the_pinned_witness() -> None:
    cosigned = NOTE + FIRST.cosign(TEXT, TIME) + SECOND.cosign(TEXT, TIME)
    assert open_note(cosigned, [LOG.verifier_key])[1] == [LOG.name]
    assert open_note(cosigned, [LOG.verifier_key, FIRST.verifier_key])[1] == [LOG.name, FIRST.name]
    assert open_checkpoint(cosigned, [LOG.verifier_key, FIRST.verifier_key], LOG.name).size == 3


def test_a_witness_does_not_speak_for_the_log_even_by_the_logs_name() -> None:
    namesake = WitnessKey(LOG.name)
    other = sign_checkpoint(Checkpoint(LOG.name, 9, bytes(32)), generate_signer("other.example"))
    text, _ = split_note(other)
    forged = other + namesake.cosign(text, TIME)
    with pytest.raises(VerificationError, match="has not signed"):
        open_checkpoint(forged, [LOG.verifier_key, namesake.verifier_key], LOG.name)


def test_a_logs_signature_is_no_cosignature_and_the_other_way_round() -> None:
    assert FIRST.verifier_key.partition("+")[0] == FIRST.name
    with pytest.raises(VerificationError, match="log's"):
        parse_witness_key(LOG.verifier_key)
    plain = WitnessKey("witness.example/w1", kind=b"\x01")
    assert plain.key_id != FIRST.key_id


def test_at_least_so_many_witnesses() -> None:
    keys = (FIRST.verifier_key, SECOND.verifier_key)
    one = NOTE + FIRST.cosign(TEXT, TIME)
    twice = one + FIRST.cosign(TEXT, TIME + 1)
    both = one + SECOND.cosign(TEXT, TIME)
    assert len(Quorum(keys, 1).verify(one)) == 1
    assert len(Quorum(keys, 2).verify(both)) == 2
    for note in (NOTE, one, twice):
        with pytest.raises(VerificationError) as caught:
            Quorum(keys, 2).verify(note)
        assert caught.value.code == "too-few-witnesses"
    with pytest.raises(VerificationError):
        Quorum(keys, 3)
    with pytest.raises(VerificationError):
        Quorum((FIRST.verifier_key, FIRST.verifier_key), 2)


def test_a_line_is_added_once() -> None:
    found = verify_answer(TEXT, FIRST.cosign(TEXT, TIME), [FIRST.verifier_key])
    once = with_cosignatures(NOTE, found)
    assert with_cosignatures(once, found) == once == NOTE + FIRST.cosign(TEXT, TIME)
