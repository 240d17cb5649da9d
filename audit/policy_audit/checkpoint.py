"""Checkpoints (C2SP tlog-checkpoint): the text that a log signs to commit to its first `size` entries."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from policy_audit.errors import VerificationError
from policy_audit.keys import ED25519, Signer, decode_base64
from policy_audit.merkle import HASH_BYTES, MAX_SIZE
from policy_audit.note import check_characters, open_signatures, sign_note, split_note

MAX_ORIGIN = 1024
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, its number of entries, and the root hash of their tree."""

    origin: str
    size: int
    root: bytes


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text to sign."""
    if not checkpoint.origin or "\n" in checkpoint.origin or len(checkpoint.root) != HASH_BYTES:
        raise VerificationError("a checkpoint has an origin of one line and a root of 32 bytes")
    if type(checkpoint.size) is not int or not 0 <= checkpoint.size <= MAX_SIZE:
        raise VerificationError(f"a checkpoint's size is an integer from 0 to {MAX_SIZE}")
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text, or a whole note whose text is one; signatures are not verified here.

    Lines after the third are opaque extensions.

    Raises:
        VerificationError: it is not a checkpoint, letter for letter.
    """
    return _parse_text(split_note(text)[0] if "\n\n" in text else text)


def parse_decimal(text: str) -> int:
    """Read a size or an index: decimal digits, no leading zeros, below 2^63."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise VerificationError(f"`{text[:40]}` is not a decimal number without leading zeros below 2^63")
    return int(text)


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> str:
    """Return the signed note of `checkpoint`."""
    return sign_note(format_checkpoint(checkpoint), *signers)


def open_checkpoint(note: str, verifier_keys: list[str], origin: str, key_name: str | None = None) -> Checkpoint:
    """Verify a checkpoint's note against pinned keys and the pinned `origin`.

    The log's own key must have signed: a witness alone does not speak for the log. Its name is the log's origin, or
    `key_name` where another program's log has a key of another name.

    Raises:
        VerificationError: a bad signature, another log's checkpoint, or anything malformed.
    """
    text, signers = open_signatures(note, verifier_keys)
    checkpoint = _parse_text(text)
    if checkpoint.origin != origin:
        raise VerificationError(
            f"the checkpoint is of the log `{checkpoint.origin[:80]}`, not of `{origin}`", code="other-origin"
        )
    if not any(signer.name == (key_name or origin) and signer.kind == ED25519 for signer in signers):
        raise VerificationError(f"the log `{origin}` has not signed the checkpoint", code="no-known-signature")
    return checkpoint


def _parse_text(text: str) -> Checkpoint:
    check_characters(text)
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise VerificationError("a checkpoint has at least three lines, none empty, each ending with a newline")
    origin, size, root = lines[:3]
    if len(origin) > MAX_ORIGIN:
        raise VerificationError("the checkpoint's origin is too long")
    root_hash = decode_base64(root)
    if len(root_hash) != HASH_BYTES:
        raise VerificationError(f"the checkpoint's root does not have {HASH_BYTES} bytes")
    return Checkpoint(origin, parse_decimal(size), root_hash)
