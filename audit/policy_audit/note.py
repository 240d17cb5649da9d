"""Signed notes (C2SP signed-note): a text, a blank line, and signature lines. Pure, and strict when it reads."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from policy_audit.errors import VerificationError
from policy_audit.keys import Signer, Verifier, decode_base64, is_key_name, parse_verifier_key

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who is said to have signed, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes


def sign_note(text: str, *signers: Signer) -> str:
    """Return `text` as a note with one signature line for each signer.

    Raises:
        VerificationError: `text` cannot be a note's text: it does not end in a newline, or has control characters.
    """
    check_characters(text)
    if not text.endswith("\n"):
        raise VerificationError("a note's text ends with a newline")
    message = text.encode()
    lines = (
        f"{_DASH}{signer.name} {base64.b64encode(signer.key_id + signer.sign(message)).decode()}\n"
        for signer in signers
    )
    return f"{text}\n{''.join(lines)}"


def split_note(note: str) -> tuple[str, list[Signature]]:
    """Return a note's text and signature lines; nothing is verified but the form.

    Raises:
        VerificationError: the note is malformed.
    """
    check_characters(note)
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise VerificationError("a note is a text, a blank line and signature lines that each end with a newline")
    return text + "\n", parse_signatures(block)


def parse_signatures(block: str) -> list[Signature]:
    """Read signature lines that each end with a newline; nothing is verified but the form.

    Raises:
        VerificationError: one is malformed, there is none, or there are more than `MAX_SIGNATURES`.
    """
    if not block.endswith("\n"):
        raise VerificationError("signature lines each end with a newline")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise VerificationError(f"the note has more than {MAX_SIGNATURES} signatures")
    return [_parse_signature(line) for line in lines]


def open_note(text: str, verifier_keys: list[str]) -> tuple[str, list[str]]:
    """Return a note's signed text and the names of the keys, among `verifier_keys`, whose signatures verified.

    Signatures of other keys are ignored: a key is known by its name and its id together.

    Raises:
        VerificationError: the note is malformed, a known key's signature is bad, or none is of a known key.
    """
    signed, verifiers = open_signatures(text, verifier_keys)
    return signed, list(dict.fromkeys(verifier.name for verifier in verifiers))


def open_signatures(text: str, verifier_keys: Iterable[str]) -> tuple[str, list[Verifier]]:
    """Return a note's signed text and the keys, among `verifier_keys`, whose signatures verified; as `open_note`."""
    known = _known_keys(verifier_keys)
    signed, signatures = split_note(text)
    message = signed.encode()
    found: list[Verifier] = []
    for signature in signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if not verifier.is_signed(message, signature.signature):
            raise VerificationError(f"the signature of `{signature.name}` is bad", code="bad-signature")
        if verifier not in found:
            found.append(verifier)
    if not found:
        raise VerificationError("no signature is of a known key", code="no-known-signature")
    return signed, found


def unpinned_keys(note: str, name: str, verifier_keys: Iterable[str]) -> list[bytes]:
    """Return the ids of the keys by `name` whose lines the note bears and that are not among `verifier_keys`.

    For telling why nothing verified: such a line is anybody's. Of a malformed note there are none.
    """
    try:
        known, (_, lines) = _known_keys(verifier_keys), split_note(note)
    except VerificationError:
        return []
    return [line.key_id for line in lines if line.name == name and (name, line.key_id) not in known]


def _known_keys(verifier_keys: Iterable[str]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in map(parse_verifier_key, verifier_keys):
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise VerificationError(f"two different verifier keys named `{verifier.name}` have the same id")
    return known


def check_characters(text: str) -> None:
    """Refuse what no note's text can hold: too much, what UTF-8 cannot write, control characters but the newline."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise VerificationError("a note is valid UTF-8") from None
    if size > MAX_NOTE_BYTES:
        raise VerificationError(f"a note has at most {MAX_NOTE_BYTES:,} bytes")
    if _CONTROL.search(text):
        raise VerificationError("a note has no control characters but the newline")


def _parse_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    # other keys' names are bounded by the note alone: a verifier ignores a key that it does not know, however named
    if not line.startswith(_DASH) or not is_key_name(name, MAX_NOTE_BYTES):
        raise VerificationError(f"`{line[:40]}` is not a signature line")
    data = decode_base64(encoded)
    if len(data) < 5:
        raise VerificationError("a signature line holds a key id of four bytes and a signature")
    return Signature(name, data[:4], data[4:])
