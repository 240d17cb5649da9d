"""DSSE v1 envelopes: a payload, its type, and Ed25519 signatures over both. Pure; standard library and `cryptography`.

An envelope is a line of JSON:

    {"payload": base64, "payloadType": text, "signatures": [{"keyid": text, "sig": base64}]}

A signature is over `DSSEv1 LEN(type) type LEN(payload) payload`. A key's id is what securesystemslib computes: the
SHA-256 of the key as OLPC canonical JSON. It is a hint that nobody signs: it says which pinned key to try, and no key
is ever learned from an envelope.

INVARIANT: no signature means both an envelope and a note (a checkpoint, a rotation, a waiver), though one key makes
both: a note's text ends with a newline, and no payload of ours does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policy_audit.errors import VerificationError
from policy_audit.keys import Signer, decode_base64, parse_verifier_key

IN_TOTO = "application/vnd.in-toto+json"
MAX_SIGNATURES = 16
MALFORMED = "not-an-envelope"
_URL_SAFE = str.maketrans("-_", "+/")
_MEMBERS, _SIGNATURE_MEMBERS = {"payload", "payloadType", "signatures"}, {"keyid", "sig"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an envelope holds, before anything is verified; a signature is a key's id and the bytes."""

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]


def encode(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: the pre-authentication encoding (PAE) of a payload and its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """Return the id that securesystemslib gives an Ed25519 key of these 32 bytes."""
    key = {"keytype": "ed25519", "keyval": {"public": public.hex()}, "scheme": "ed25519"}
    return sha256(json.dumps(key, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sign_envelope(payload: bytes, signer: Signer) -> str:
    """Return the envelope of an in-toto statement on one line, without a newline at its end.

    Raises:
        VerificationError: the payload ends with a newline, so that its signature could be one over a note.
        SigningKeyError: a signing program gives no signature.
    """
    _refuse_note(payload)
    signature = signer.sign(encode(IN_TOTO, payload))
    public = parse_verifier_key(signer.verifier_key).public
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"keyid": key_id(public), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, separators=(",", ":"))


def parse_envelope(line: bytes) -> Envelope:
    """Read an envelope; nothing is verified but the form.

    Raises:
        VerificationError: it is none (`not-an-envelope`): no JSON, a key twice, another member, no base64.
    """
    try:
        value = json.loads(line.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise _malformed("it is nested too deep") from None
    except ValueError as error:  # also what is not UTF-8
        raise _malformed(error.message if isinstance(error, VerificationError) else "it is not JSON in UTF-8") from None
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise _malformed("it is not an object of payload, payloadType and signatures")
    payload, kind, signatures = value["payload"], value["payloadType"], value["signatures"]
    if not isinstance(payload, str) or not isinstance(kind, str) or not isinstance(signatures, list):
        raise _malformed("payload and payloadType are texts, and signatures is a list")
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise _malformed(f"it has {len(signatures)} signatures, and 1 to {MAX_SIGNATURES} are taken")
    return Envelope(_decode(payload), _utf8(kind), tuple(_signature(each) for each in signatures))


def open_envelope(envelope: Envelope, keys: Iterable[bytes]) -> tuple[str, ...]:
    """Return the ids of the pinned `keys` (32 bytes each) that signed an in-toto statement, of which there is one.

    Signatures by other keys are ignored.

    Raises:
        VerificationError: no pinned key signed it (`no-known-signature`), the signature of one is bad
            (`bad-signature`), one signed it twice, or its payload is no in-toto statement (`other-payload-type`).
    """
    known = {key_id(public): public for public in keys}
    message = encode(envelope.payload_type, envelope.payload)
    found: list[str] = []
    for name, signature in envelope.signatures:
        if name not in known:
            continue
        if name in found:
            raise VerificationError(f"the key {name[:16]} signed it twice", code="bad-signature")
        try:
            Ed25519PublicKey.from_public_bytes(known[name]).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise VerificationError(f"the signature of the key {name[:16]} is bad", code="bad-signature") from None
        found.append(name)
    if not found:
        raise VerificationError(_unknown(envelope.signatures), code="no-known-signature")
    if envelope.payload_type != IN_TOTO:
        raise VerificationError(
            f"its payload is `{envelope.payload_type[:60]}`, not {IN_TOTO}", code="other-payload-type"
        )
    _refuse_note(envelope.payload)
    return tuple(found)


def _unknown(signatures: Sequence[tuple[str, bytes]]) -> str:
    names = ", ".join(f"`{name[:16]}`" for name, _ in signatures)
    return f"no pinned key signed it; it names {names}"


def _refuse_note(payload: bytes) -> None:
    if payload.endswith(b"\n"):
        raise VerificationError("a payload that ends with a newline could be a note's text")


def _signature(value: Any) -> tuple[str, bytes]:
    if not isinstance(value, dict) or value.keys() != _SIGNATURE_MEMBERS:
        raise _malformed("a signature is an object of keyid and sig")
    if not isinstance(value["keyid"], str) or not isinstance(value["sig"], str):
        raise _malformed("keyid and sig are texts")
    return _utf8(value["keyid"]), _decode(value["sig"])


def _decode(text: str) -> bytes:
    """Decode base64 in the standard or the URL-safe alphabet: a verifier has to take either."""
    try:
        return decode_base64(text if "-" not in text and "_" not in text else _standard(text))
    except VerificationError:
        raise _malformed("payload and sig are base64 in canonical form") from None


def _standard(text: str) -> str:
    if "+" in text or "/" in text:
        raise VerificationError("two alphabets of base64 in one text")
    return text.translate(_URL_SAFE)


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _malformed("a text has half a character in it") from None
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise VerificationError("it has a key twice")
    return found


def _no_number(text: str) -> Any:
    raise VerificationError(f"`{text}` is no number of JSON")


def _malformed(reason: str) -> VerificationError:
    return VerificationError(f"not a DSSE envelope: {reason}", code=MALFORMED)
