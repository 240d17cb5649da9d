"""DSSE envelopes, held to securesystemslib in both directions, and against malformed and forged ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from policy_audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from policy_audit.dsse import (
    IN_TOTO,
    MALFORMED,
    MAX_SIGNATURES,
    encode,
    key_id,
    open_envelope,
    parse_envelope,
    sign_envelope,
)
from policy_audit.errors import SigningKeyError, VerificationError
from policy_audit.keys import Ed25519Signer, generate_signer, parse_verifier_key
from policy_audit.ledger import open_ledger
from policy_audit.note import open_note, sign_note
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as OthersError
from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


def public_of(signer: Ed25519Signer) -> bytes:
    return parse_verifier_key(signer.verifier_key).public


def theirs(signer: Ed25519Signer) -> SSlibKey:
    """The key as securesystemslib has it, with the id that it computes."""
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(public_of(signer)))


def opened(line: str | bytes, *signers: Ed25519Signer) -> tuple[str, ...]:
    data = line.encode() if isinstance(line, str) else line
    return open_envelope(parse_envelope(data), [public_of(signer) for signer in signers])


def test_what_is_signed_is_the_published_encoding() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encode("http://example.com/HelloWorld", b"hello world") == expected
    assert encode("\u00e4", b"") == "DSSEv1 2 \u00e4 0 ".encode()
    assert encode("\u00e4", b"\x00\n") == Envelope(b"\x00\n", "\u00e4", {}).pae()


def test_securesystemslib_verifies_what_we_sign_and_we_what_it_signs() -> None:
    signer, other = generate_signer("a"), generate_signer("b")
    line = sign_envelope(PAYLOAD, signer)
    assert "\n" not in line
    envelope = Envelope.from_dict(json.loads(line))
    assert (envelope.payload, envelope.payload_type) == (PAYLOAD, "application/vnd.in-toto+json")
    assert list(envelope.verify([theirs(signer)], 1)) == [key_id(public_of(signer))] == [theirs(signer).keyid]
    with pytest.raises(OthersError):
        envelope.verify([theirs(other)], 1)
    made = Envelope(PAYLOAD, IN_TOTO, {})
    their_signer = CryptoSigner.generate_ed25519()
    made.sign(their_signer)
    public = bytes.fromhex(their_signer.public_key.keyval["public"])
    assert open_envelope(parse_envelope(json.dumps(made.to_dict()).encode()), [public]) == (key_id(public),)


def test_several_signatures_and_either_alphabet() -> None:
    signer, other, stranger = generate_signer("a"), generate_signer("b"), generate_signer("c")
    value = json.loads(sign_envelope(PAYLOAD, signer))
    value["signatures"] += json.loads(sign_envelope(PAYLOAD, other))["signatures"]
    line = json.dumps(value)
    assert opened(line, signer) == (key_id(public_of(signer)),)
    assert len(opened(line, other, signer)) == 2
    with pytest.raises(VerificationError, match="no pinned key") as error:
        opened(line, stranger)
    assert error.value.code == "no-known-signature"
    payload = b"\xfb\xff\xbf>?{}"
    value = json.loads(sign_envelope(payload, signer))
    value["payload"] = base64.urlsafe_b64encode(payload).decode()
    value["signatures"][0]["sig"] = value["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert parse_envelope(json.dumps(value).encode()).payload == payload
    assert opened(json.dumps(value), signer)
    twice = {**value, "signatures": value["signatures"] * 2}
    with pytest.raises(VerificationError, match="signed it twice"):
        opened(json.dumps(twice), signer)


def test_a_pinned_keys_bad_signature_refuses_the_envelope_even_beside_a_good_one() -> None:
    signer, other = generate_signer("a"), generate_signer("b")
    value = json.loads(sign_envelope(PAYLOAD, signer))
    value["signatures"].append(json.loads(sign_envelope(b"{}", other))["signatures"][0])
    assert opened(json.dumps(value), signer)
    with pytest.raises(VerificationError, match="is bad") as error:
        opened(json.dumps(value), signer, other)
    assert error.value.code == "bad-signature"


def test_a_key_id_of_another_key_makes_nothing_good() -> None:
    signer, other = generate_signer("a"), generate_signer("b")
    value = json.loads(sign_envelope(PAYLOAD, signer))
    value["signatures"][0]["keyid"] = key_id(public_of(other))
    for keys in ((signer,), (other,), (signer, other)):
        with pytest.raises(VerificationError):
            opened(json.dumps(value), *keys)


def test_no_flipped_bit_passes() -> None:
    signer = generate_signer("a")
    line = sign_envelope(PAYLOAD, signer).encode()
    assert opened(line, signer)
    for place in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            with pytest.raises(VerificationError):
                opened(bytes(changed), signer)


def test_another_type_is_refused_whoever_signed_it() -> None:
    signer = generate_signer("a")
    for kind in ("application/json", "", "application/vnd.in-toto+JSON"):
        signature = base64.b64encode(signer.sign(encode(kind, PAYLOAD))).decode()
        value = json.loads(sign_envelope(PAYLOAD, signer))
        swapped = json.dumps({**value, "payloadType": kind})
        with pytest.raises(VerificationError, match="is bad"):
            opened(swapped, signer)
        value["signatures"][0]["sig"] = signature
        with pytest.raises(VerificationError) as error:
            opened(json.dumps({**value, "payloadType": kind}), signer)
        assert error.value.code == "other-payload-type"


def test_a_signature_over_a_note_is_none_over_an_envelope_nor_the_other_way_round() -> None:
    signer = generate_signer()
    note = sign_checkpoint(Checkpoint(signer.name, 3, bytes(32)), signer)
    assert open_checkpoint(note, [signer.verifier_key], signer.name).size == 3
    with pytest.raises(VerificationError) as error:
        parse_envelope(note.encode())
    assert error.value.code == MALFORMED
    text, _, lines = note.partition("\n\n")
    signature = base64.b64decode(lines.split()[-1])[4:]
    value = {"keyid": key_id(public_of(signer)), "sig": base64.b64encode(signature).decode()}
    for payload in (text + "\n", text, note):
        data = base64.b64encode(payload.encode()).decode()
        forged = json.dumps({"payload": data, "payloadType": IN_TOTO, "signatures": [value]})
        with pytest.raises(VerificationError, match="is bad"):
            opened(forged, signer)
    # a payload whose encoding could be a note's text is neither signed nor taken
    spoof = f"\n{5}\n{base64.b64encode(bytes(32)).decode()}\n".encode()
    with pytest.raises(VerificationError, match="newline"):
        sign_envelope(spoof, signer)
    signed = sign_note(encode(IN_TOTO, spoof).decode(), signer)
    assert open_note(signed, [signer.verifier_key])  # it is a note, of no log
    sig = base64.b64encode(base64.b64decode(signed.split()[-1])[4:]).decode()
    taken = {"payload": base64.b64encode(spoof).decode(), "payloadType": IN_TOTO, "signatures": [{**value, "sig": sig}]}
    with pytest.raises(VerificationError, match="newline"):
        opened(json.dumps(taken), signer)


def changed(**members: Any) -> bytes:
    value = {"payload": "e30=", "payloadType": IN_TOTO, "signatures": [{"keyid": "a", "sig": "AA=="}]}
    return json.dumps({**value, **members}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        changed() + b"x",
        changed() + changed(),
        changed(more=1),
        changed(payload=None),
        changed(payload="e30"),
        changed(payload="e31="),
        changed(payload="e30=\n"),
        changed(payload="-+AA"),
        changed(payloadType=None),
        changed(payloadType="\ud800"),
        changed(signatures={}),
        changed(signatures=[]),
        changed(signatures=[{"keyid": "a", "sig": "AA=="}] * (MAX_SIGNATURES + 1)),
        changed(signatures=[{"sig": "AA=="}]),
        changed(signatures=[{"keyid": "a", "sig": "AA==", "cert": "x"}]),
        changed(signatures=[{"keyid": 1, "sig": "AA=="}]),
        changed(signatures=[{"keyid": "a", "sig": "AB=="}]),
        changed().replace(b'"e30="', b"NaN"),
        changed().replace(b'"payloadType"', b'"payload"'),
        changed().replace(b'{"payload"', b'{"payload": "e30=", "payload"'),
        changed().replace(b'"keyid": "a"', b'"keyid": "a", "keyid": "a"'),
    ],
)
def test_what_is_no_envelope_is_refused_as_that(line: bytes) -> None:
    assert parse_envelope(changed()).payload == b"{}"
    with pytest.raises(VerificationError) as error:
        parse_envelope(line)
    assert error.value.code == MALFORMED


def test_a_ledger_signs_statements_by_its_key_and_records_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with open_ledger(url) as ledger:
        before = ledger.checkpoint()
        line = ledger.sign_statement(PAYLOAD)
        assert ledger.checkpoint() == before
        key = parse_verifier_key(str(ledger.verifier_key)).public
    assert open_envelope(parse_envelope(line.encode()), [key]) == (key_id(key),)
    (tmp_path / "l.db.key").rename(tmp_path / "elsewhere")
    with open_ledger(url, read_only=True) as ledger, pytest.raises(SigningKeyError) as error:
        ledger.sign_statement(PAYLOAD)
    assert error.value.code == "signing-key-missing"
