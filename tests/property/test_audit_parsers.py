"""Every parser of the ledger's formats: what it takes it gives back letter for letter, and it refuses the rest.

Nothing but `VerificationError` (or `CanonicalError`) may come out of hostile input.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.epochs import lost_checkpoint, read_restore
from policy_audit.errors import CanonicalError, VerificationError
from policy_audit.keys import Ed25519Signer, parse_verifier_key
from policy_audit.merkle import inclusion_proof, leaf_hash, root_hash
from policy_audit.note import open_note, sign_note, split_note
from policy_audit.plain_entry import FORMAT, read_plain
from policy_audit.proof import Proof, format_proof, parse_proof

from tests.property.mutations import mutated, mutated_bytes

LOG, WITNESS = Ed25519Signer("log.example/a", bytes(32)), Ed25519Signer("witness.example", b"\1" * 32)
LEAVES = [leaf_hash(bytes([number])) for number in range(5)]
NOTE = sign_checkpoint(Checkpoint(LOG.name, 5, root_hash(LEAVES)), LOG, WITNESS)
RECEIPT = format_proof(Proof(2, tuple(inclusion_proof(LEAVES, 2, 5)), NOTE, b"extra"))
ALPHABET = "—+/= \n\r\t\x00\x7f\u2028\ud8000159aZé"
ORIGINS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=40)
HASHES = st.binary(min_size=32, max_size=32)


@given(ORIGINS, st.integers(0, 2**63 - 1), HASHES)
def test_a_checkpoint_goes_there_and_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint
    assert parse_checkpoint(sign_checkpoint(checkpoint, LOG)) == checkpoint


@given(mutated(NOTE.partition("\n\n")[0] + "\n", ALPHABET))
def test_a_changed_checkpoint_reads_one_way_or_not_at_all(text: str) -> None:
    try:
        found = parse_checkpoint(text)
    except VerificationError:
        return
    assert text.startswith(format_checkpoint(found))  # what follows are extension lines


@given(mutated(NOTE, ALPHABET))
def test_a_changed_note_says_what_was_signed_or_nothing(text: str) -> None:
    keys = [LOG.verifier_key, WITNESS.verifier_key]
    try:
        signed, names = open_note(text, keys)
    except VerificationError:
        return
    assert signed == NOTE.partition("\n\n")[0] + "\n"
    assert names
    if LOG.name in names:
        assert open_checkpoint(text, keys, LOG.name).size == 5


@given(mutated(NOTE, ALPHABET))
def test_a_note_that_is_split_is_put_together_again(text: str) -> None:
    try:
        signed, signatures = split_note(text)
    except VerificationError:
        return
    assert text.startswith(signed + "\n")
    assert text.count("\n", len(signed) + 1) == len(signatures)


ANYTHING = st.sampled_from(
    [
        None,
        True,
        5,
        "x",
        LOG.verifier_key,
        [],
        {},
        [1, "x", None, [], {}],
        [[LOG.verifier_key]],
        [LOG.verifier_key] * 40,
    ]
    + [[{"size": size, "root": root}] for size in (5, True, "5", None) for root in (root_hash(LEAVES).hex(), 7, None)]
)
LOST = [{"size": 5, "root": root_hash(LEAVES).hex()}]


@given(st.fixed_dictionaries({}, optional={"lost": ANYTHING | st.just(LOST), "keys": ANYTHING, "from": ANYTHING}))
def test_a_restore_of_any_form_names_what_it_names_and_no_more(body: dict[str, Any]) -> None:
    restore = read_restore(7, 2, body)
    named = lost_checkpoint(NOTE, LOG.name, [LOG.verifier_key], [restore])
    assert (named is not None) == ((5, root_hash(LEAVES).hex()) in restore.lost)
    assert all(parse_verifier_key(key) for key in restore.keys)


@given(mutated(NOTE, ALPHABET), st.booleans())
def test_a_changed_note_is_named_by_no_restore_but_as_what_was_signed(text: str, by_restore: bool) -> None:
    restore = read_restore(7, 2, {"lost": LOST, "keys": [LOG.verifier_key] if by_restore else []})
    found = lost_checkpoint(text, LOG.name, [] if by_restore else [LOG.verifier_key], [restore])
    assert found is None or found == (Checkpoint(LOG.name, 5, root_hash(LEAVES)), restore)
    assert lost_checkpoint(text, LOG.name, [], [read_restore(7, 2, {"lost": LOST})]) is None


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]) | st.just("\n"), max_size=50))
def test_any_text_that_can_be_signed_is_opened(text: str) -> None:
    assert open_note(sign_note(text + "\n", LOG), [LOG.verifier_key]) == (text + "\n", [LOG.name])


@given(st.integers(0, 2**63 - 1), st.lists(HASHES, max_size=64), st.none() | st.binary(max_size=40))
def test_a_proof_goes_there_and_back(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = Proof(index, tuple(hashes), NOTE, extra)
    assert parse_proof(format_proof(proof)) == proof


@given(mutated(RECEIPT, ALPHABET))
def test_a_changed_proof_reads_one_way_or_not_at_all_and_proves_nothing_else(text: str) -> None:
    try:
        proof = parse_proof(text)
    except VerificationError:
        return
    assert format_proof(proof) == text
    for index in range(5):
        if (index, proof.index) != (2, 2):
            with pytest.raises(VerificationError):
                proof.verify(bytes([index]), [LOG.verifier_key], LOG.name)


@given(mutated(LOG.verifier_key, ALPHABET))
def test_a_changed_key_is_no_key(text: str) -> None:
    assume(text != LOG.verifier_key)
    with pytest.raises(VerificationError):
        parse_verifier_key(text)


ENTRY = {
    "entry": FORMAT,
    "type": "decision",
    "recorded_at": "2026-01-31T12:00:00.000000Z",
    "blobs": {"decision": f"sha256:{'a' * 64}"},
    "body": {"ä": [1, -1, 0, None, True, 'é\n\u2028\x7f\\"/'], "n": 2**53 - 1},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _agrees(data: bytes) -> None:
    """What the standard library reads as an entry of ours is canonical, and the other way round."""
    try:
        value: Any = parse_canonical(data)
    except CanonicalError:
        value = None
    ours = isinstance(value, dict) and value.get("entry") == FORMAT
    try:
        plain = read_plain(data)
    except VerificationError:
        # refused as not canonical, or because what verifying asks of an entry is not there
        members = ("type", "recorded_at", "blobs")
        assert not ours or any(value.get(name) != ENTRY[name] for name in members)
        return
    assert (plain is not None) == ours
    if plain is not None:
        assert (plain.type, plain.recorded_at) == (value["type"], value["recorded_at"])
        assert list(plain.documents) == list(value["blobs"].values())


@given(mutated_bytes(canonical_bytes(ENTRY)))
@example(canonical_bytes(ENTRY))
@example(canonical_bytes(ENTRY) + b"\n")
@example(b" " + canonical_bytes(ENTRY))
@example(canonical_bytes(ENTRY).replace(b'"type"', b'"type":"a","type"'))
@example(b"{" * 60_000)
@example(b'{"entry":"policy-audit/v1","n":' + b"9" * 60_000 + b"}")
@example(b'{"entry":"policy-audit/v1","n":' + b"[" * 60_000)
@example(b'{"entry":"policy-audit/v1"')
@example(b'{"entry":["policy-audit/v1"]}')
@example(b'["policy-audit/v1"]')
@example(b"\xff{")
@example(b"")
def test_entries_are_read_as_the_ledger_reads_them(data: bytes) -> None:
    _agrees(data)


@given(JSON)
def test_any_body_is_read_as_the_ledger_reads_it(body: Any) -> None:
    text = json.dumps({**ENTRY, "body": body}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    _agrees(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("depth", [126, 127, 128, 129, 140])
def test_the_depth_is_bounded_as_the_ledger_bounds_it(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    text = json.dumps({**ENTRY, "body": nested}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    _agrees(text.encode())
    if depth > 127:
        with pytest.raises(VerificationError, match="deeper"):
            read_plain(text.encode())
