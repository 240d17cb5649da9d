"""Checkpoints and proof files, letter for letter."""

from __future__ import annotations

import base64

import pytest
from policy_audit.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from policy_audit.errors import VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer
from policy_audit.merkle import inclusion_proof, leaf_hash, root_hash
from policy_audit.note import sign_note
from policy_audit.proof import HEADER, Proof, format_proof, parse_proof

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
TEXT = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"


def test_reads_and_writes_the_example_of_the_specification() -> None:
    checkpoint = parse_checkpoint(TEXT)
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20852163, base64.b64decode(ROOT))
    assert format_checkpoint(checkpoint) == TEXT


def test_extension_lines_are_allowed_and_ignored() -> None:
    assert parse_checkpoint(TEXT + "more\n") == parse_checkpoint(TEXT)


def test_a_whole_note_is_read_too() -> None:
    note = sign_checkpoint(parse_checkpoint(TEXT), generate_signer("key"))
    assert parse_checkpoint(note).size == 20852163


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+1"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "1_000"),
        TEXT.replace("20852163", "١"),
        TEXT.replace("20852163", ""),
        TEXT.replace("20852163", "9223372036854775808"),
        TEXT.replace("20852163", "9" * 10_000),
        TEXT.replace("q2I=", "q2J="),
        TEXT.replace("q2I=", "q2I"),
        TEXT.replace("q2I=", ""),
        TEXT.replace("CsUY", "Cs Y"),
        "\n" + TEXT.partition("\n")[2],
        TEXT.partition("\n")[2],
        TEXT + "\n",
        TEXT + "\nmore\n",
        "x" * 2000 + TEXT,
    ],
    ids=lambda text: repr(text[:60]),
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(VerificationError):
        parse_checkpoint(text)


def test_a_checkpoint_that_cannot_be_written() -> None:
    for origin, root in (("", bytes(32)), ("a\nb", bytes(32)), ("a", bytes(31))):
        with pytest.raises(VerificationError):
            format_checkpoint(Checkpoint(origin, 0, root))


def test_opening_pins_key_and_origin() -> None:
    signer, witness = generate_signer("log"), generate_signer("witness")
    checkpoint = Checkpoint("log", 1, bytes(32))
    note = sign_checkpoint(checkpoint, signer, witness)
    assert open_checkpoint(note, [signer.verifier_key], "log") == checkpoint
    with pytest.raises(VerificationError, match="not of"):
        open_checkpoint(note, [signer.verifier_key], "other")
    with pytest.raises(VerificationError, match="has not signed"):
        open_checkpoint(note, [witness.verifier_key], "log")


def test_a_checkpoint_inside_a_signed_text_does_not_count() -> None:
    signer = generate_signer("log")
    inner = sign_checkpoint(Checkpoint("log", 1, bytes(32)), generate_signer("log"))
    with pytest.raises(VerificationError):
        open_checkpoint(sign_note(inner, signer), [signer.verifier_key], "log")


ENTRIES = [b"zero", b"one", b"two"]
LEAVES = list(map(leaf_hash, ENTRIES))
SIGNER = Ed25519Signer("log", bytes(32))
NOTE = sign_checkpoint(Checkpoint("log", 3, root_hash(LEAVES)), SIGNER)
PROOF = Proof(1, tuple(inclusion_proof(LEAVES, 1, 3)), NOTE, b"extra")


def test_a_proof_is_read_back_and_verifies() -> None:
    text = format_proof(PROOF)
    assert text.startswith(f"{HEADER}\nextra ZXh0cmE=\nindex 1\n")
    assert parse_proof(text) == PROOF
    assert parse_proof(text).verify(b"one", [SIGNER.verifier_key], "log").size == 3


def test_a_proof_without_hashes() -> None:
    note = sign_checkpoint(Checkpoint("log", 1, LEAVES[0]), SIGNER)
    text = format_proof(Proof(0, (), note))
    assert text == f"{HEADER}\nindex 0\n\n{note}"
    parse_proof(text).verify(b"zero", [SIGNER.verifier_key], "log")


def test_a_false_proof_does_not_verify() -> None:
    keys = [SIGNER.verifier_key]
    for proof, entry, pinned, origin in (
        (PROOF, b"two", keys, "log"),
        (PROOF, b"one", [generate_signer("log").verifier_key], "log"),
        (PROOF, b"one", keys, "other"),
        (Proof(0, PROOF.hashes, NOTE), b"one", keys, "log"),
        (Proof(3, PROOF.hashes, NOTE), b"one", keys, "log"),
        (Proof(1, PROOF.hashes[:1], NOTE), b"one", keys, "log"),
        (Proof(1, PROOF.hashes, NOTE.replace("\n3\n", "\n4\n")), b"one", keys, "log"),
    ):
        with pytest.raises(VerificationError):
            proof.verify(entry, pinned, origin)


GOOD = format_proof(PROOF)


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTE,
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("index 1", "index 01"),
        GOOD.replace("index 1", "index  1"),
        GOOD.replace("index 1", "Index 1"),
        GOOD.replace("index 1\n", ""),
        GOOD.replace("extra ZXh0cmE=", "extra ZXh0cmF="),
        GOOD.replace("extra ZXh0cmE=\nindex 1", "index 1\nextra ZXh0cmE="),
        GOOD.replace("\n\n", "\nAAAA\n\n", 1),
        GOOD.replace("\n\n", "\n", 1).replace("\n\n", "\n"),
        GOOD.replace("\n\n", "\n" + "A" * 43 + "=\n", 1).replace("index 1\n", "index 1\n" + ("A" * 43 + "=\n") * 64),
        "x" * 4_000_000,
    ],
    ids=lambda text: repr(text[:60]),
)
def test_malformed_proofs_are_refused(text: str) -> None:
    with pytest.raises(VerificationError):
        parse_proof(text)
