"""Cosignatures of witnesses (C2SP tlog-cosignature, Ed25519): read, verified, counted; no input or output.

A cosignature says: at this time, this was the largest consistent tree of this log that the witness had seen.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from policy_audit.errors import VerificationError
from policy_audit.keys import COSIGNATURE, Verifier, parse_verifier_key
from policy_audit.note import Signature, parse_signatures, split_note


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: by which witness, and the POSIX time that it signed."""

    witness: str
    timestamp: int
    line: str


def parse_witness_key(text: str) -> Verifier:
    """Read a witness's verifier key, `name+hex(key id)+base64(0x04 || public key)`.

    Raises:
        VerificationError: it is not one; a log's own key (0x01) is none either.
    """
    verifier = parse_verifier_key(text)
    if verifier.kind != COSIGNATURE:
        raise VerificationError(f"the key `{verifier.name}` is a log's and not a witness's (type 0x04)")
    return verifier


def verify_cosignature(text: str, signature: Signature, witness: Verifier) -> Cosignature:
    """Verify that `signature` is the witness's over a checkpoint's `text`, and return it with its time.

    Raises:
        VerificationError: it is another key's, malformed, or over something else.
    """
    if (signature.name, signature.key_id) != (witness.name, witness.key_id) or witness.kind != COSIGNATURE:
        raise VerificationError(f"the cosignature is not of the witness `{witness.name}`", code="no-known-signature")
    if not witness.is_signed(text.encode(), signature.signature):
        raise VerificationError(f"the cosignature of `{witness.name}` is bad", code="bad-signature")
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    timestamp = int.from_bytes(signature.signature[:8], "big")
    return Cosignature(witness.name, timestamp, f"\u2014 {witness.name} {encoded}\n")


def verify_answer(text: str, lines: str, witnesses: Sequence[str]) -> list[Cosignature]:
    """Return the cosignatures of pinned witnesses over a checkpoint's `text` among signature `lines`.

    Lines of other keys are ignored.

    Raises:
        VerificationError: a line is malformed, or one of a pinned witness is bad.
    """
    pinned = {(key.name, key.key_id): key for key in map(parse_witness_key, witnesses)}
    known = ((pinned.get((each.name, each.key_id)), each) for each in parse_signatures(lines))
    return [verify_cosignature(text, signature, witness) for witness, signature in known if witness is not None]


@dataclass(frozen=True, slots=True)
class Quorum:
    """Which witnesses someone pinned, and how many of them must have cosigned."""

    witnesses: tuple[str, ...] = ()
    need: int = 0

    def __post_init__(self) -> None:
        names = {parse_witness_key(witness).name for witness in self.witnesses}
        if not 0 <= self.need <= len(names):
            raise VerificationError(f"{self.need} of {len(names)} witnesses cannot have cosigned")

    def verify(self, note: str) -> list[Cosignature]:
        """Return the pinned witnesses' cosignatures on a checkpoint's note.

        Raises:
            VerificationError: a pinned witness's cosignature is bad, or too few of them cosigned.
        """
        text, _ = split_note(note)
        lines = note[len(text) + 1 :]
        found = verify_answer(text, lines, self.witnesses) if self.witnesses else []
        # two keys of one witness are one witness
        if len({cosignature.witness for cosignature in found}) < self.need:
            raise VerificationError(
                f"{len({each.witness for each in found})} of the {len(self.witnesses)} pinned witnesses cosigned, "
                f"{self.need} must have",
                code="too-few-witnesses",
            )
        return found


def with_cosignatures(note: str, cosignatures: Sequence[Cosignature]) -> str:
    """Return the note with the cosignatures' lines added, each once."""
    return note + "".join(each.line for each in cosignatures if each.line not in note)
