"""Proof files (C2SP tlog-proof): that an entry is in a log, verified without the log. Receipts have this form."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_decimal
from policy_audit.errors import VerificationError
from policy_audit.keys import decode_base64
from policy_audit.merkle import HASH_BYTES, MAX_PROOF_HASHES, leaf_hash, verify_inclusion
from policy_audit.note import MAX_NOTE_BYTES, split_note

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's index, its inclusion proof, and the signed checkpoint that the proof leads to.

    `extra` is not authenticated by anything.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def verify(self, entry: bytes, verifier_keys: list[str], origin: str) -> Checkpoint:
        """Verify that `entry` is in the log `origin`, and return the checkpoint that says so.

        Raises:
            VerificationError: the checkpoint is not signed by a pinned key, is another log's, or does not
                cover these bytes at this index.
        """
        checkpoint = open_checkpoint(self.checkpoint, verifier_keys, origin)
        if self.index >= checkpoint.size:
            raise VerificationError(f"index {self.index} is not below the checkpoint's size {checkpoint.size}")
        verify_inclusion(self.index, checkpoint.size, leaf_hash(entry), self.hashes, checkpoint.root)
        return checkpoint


def format_proof(proof: Proof) -> str:
    """Write a proof file's text."""
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines.extend(base64.b64encode(node).decode() for node in proof.hashes)
    return "\n".join(lines) + "\n\n" + proof.checkpoint


def parse_proof(text: str) -> Proof:
    """Read a proof file's text; nothing is verified but the form.

    Raises:
        VerificationError: it is not a proof, letter for letter.
    """
    if len(text) > MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES:
        raise VerificationError("the proof is too long")
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise VerificationError(f"a proof starts with the line `{HEADER}` and has a checkpoint after a blank line")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise VerificationError("the proof has no line `index N`")
    index = parse_decimal(lines.pop(0).removeprefix("index "))
    if len(lines) > MAX_PROOF_HASHES:
        raise VerificationError(f"the proof has more than {MAX_PROOF_HASHES} hashes")
    hashes = tuple(map(decode_base64, lines))
    if any(len(node) != HASH_BYTES for node in hashes):
        raise VerificationError(f"a hash of the proof does not have {HASH_BYTES} bytes")
    parse_checkpoint(split_note(checkpoint)[0])
    return Proof(index, hashes, checkpoint, extra)
