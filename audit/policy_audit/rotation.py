"""Key rotation: the statement that old and new key sign, and which key signs a log's checkpoints from which size on.

Pure; standard library and `cryptography` alone. A statement is a signed note over

    policy-audit/key-rotation/v1
    origin <log's name>
    size <entries before the rotation, which is its entry's index>
    root <base64 of their root>
    old <verifier key>
    new <verifier key>

INVARIANT: the second line of a statement is no number, so that it can never pass as a checkpoint.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_decimal
from policy_audit.errors import VerificationError
from policy_audit.keys import ED25519, Signer, decode_base64, parse_verifier_key
from policy_audit.merkle import HASH_BYTES
from policy_audit.note import open_signatures, sign_note, split_note

HEADER = "policy-audit/key-rotation/v1"
ENTRY_TYPE = "key-rotation"
ENTRY_FORMAT = "policy-audit/v1"
_LABELS = ("origin", "size", "root", "old", "new")
MAX_STATEMENT_BYTES = 8192
MAX_ROTATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """From `size` entries on, whose root is `root`, the log's key is `new`."""

    origin: str
    size: int
    root: bytes
    old: str
    new: str


def sign_statement(rotation: Rotation, old: Signer, new: Signer) -> str:
    """Return the statement, signed by both keys.

    Raises:
        VerificationError: the keys are not those that `rotation` names, or it is not one that `open_statement` takes.
    """
    root = base64.b64encode(rotation.root).decode()
    values = (rotation.origin, str(rotation.size), root, rotation.old, rotation.new)
    lines = (f"{label} {value}\n" for label, value in zip(_LABELS, values, strict=True))
    note = sign_note(f"{HEADER}\n{''.join(lines)}", old, new)
    open_statement(note)
    return note


def open_statement(note: str) -> Rotation:
    """Read a statement and verify both of its signatures by the keys that it names.

    Whether either key is to be trusted is not said by this: see `KeyHistory`.

    Raises:
        VerificationError: it is malformed, not signed by both, or does not name two keys of its origin.
    """
    if len(note) > MAX_STATEMENT_BYTES:
        raise VerificationError("the statement of a key rotation is too long")
    text, _ = split_note(note)
    rotation = _parse(text)
    signed = {verifier.key_id for verifier in open_signatures(note, [rotation.old, rotation.new])[1]}
    for which, key in (("old", rotation.old), ("new", rotation.new)):
        if parse_verifier_key(key).key_id not in signed:
            raise VerificationError(f"the {which} key has not signed the key rotation", code="no-known-signature")
    return rotation


def read_rotation(index: int, entry: bytes) -> Rotation | None:
    """Return the key rotation that the entry at `index` records, verified; None where it records something else.

    Raises:
        VerificationError: it is an entry of the type `key-rotation`, and does not hold a statement for this index.
    """
    body = _body(entry)
    if body is None:
        return None
    statement = body.get("statement")
    if not isinstance(statement, str):
        raise VerificationError("the entry holds no statement of a key rotation")
    rotation = open_statement(statement)
    if (body.get("old"), body.get("new")) != (rotation.old, rotation.new):
        raise VerificationError("the entry names other keys than the statement that it holds")
    if rotation.size != index:
        raise VerificationError(f"the statement was made for the index {rotation.size}")
    return rotation


class KeyHistory:
    """Which keys sign a log's checkpoints: what a verifier pinned, and the log's rotations.

    The keys of a log are a chain: each rotation leads from the key in force to a new one. Whoever pinned any key of
    the chain follows it forwards, because the old key signed each step, and backwards, because the new key did.
    A checkpoint of a size up to a rotation is the old key's, the one after the rotation's own commit is both keys', and
    any later one is the new key's alone: a stolen old key extends nothing.
    """

    def __init__(self, origin: str, pinned: Sequence[str], rotations: Sequence[Rotation] = ()) -> None:
        self.origin = origin
        self.rotations = {rotation.size: rotation for rotation in rotations}
        self.problems: list[tuple[int | None, str]] = []
        """What is wrong with the rotations or the pinned keys, each with the index of its entry, if it has one."""
        self._pinned = list(pinned)
        chain = self._chain(rotations)
        own = {key for key in pinned if _is_log_key(key, origin)}
        keys = [chain[0].old, *(rotation.new for rotation in chain)] if chain else []
        believed = bool(own & set(keys))
        self._keys = keys if believed else []
        self._sizes = [rotation.size for rotation in chain] if believed else []
        self._check_pinned(own)

    @classmethod
    def from_entries(cls, origin: str, pinned: Sequence[str], entries: Iterable[tuple[int, bytes]]) -> KeyHistory:
        """Read the history from a log's entries, or those that may be rotations, by index and in order.

        An entry of the type that records no rotation is a problem, and whatever follows it is not believed.
        """
        rotations: list[Rotation] = []
        problem: tuple[int | None, str] | None = None
        for index, entry in entries:
            try:
                rotation = read_rotation(index, entry)
            except VerificationError as error:
                problem = (index, f"the key rotation at entry {index} does not verify: {error.message}")
                break
            if rotation is not None and len(rotations) == MAX_ROTATIONS:
                problem = (index, f"the log has more than {MAX_ROTATIONS:,} key rotations")
                break
            if rotation is not None:
                rotations.append(rotation)
        history = cls(origin, pinned, rotations)
        history.problems += [problem] if problem else []
        return history

    @property
    def keys(self) -> list[str]:
        """The log's keys in the order of their rotations; empty where no rotation leads to or from a pinned key."""
        return list(self._keys)

    def keys_at(self, size: int) -> list[str]:
        """Return the keys that must all have signed a checkpoint of `size`; any pinned one where nothing rotated."""
        if not self._keys:
            return list(self._pinned)
        before = bisect_left(self._sizes, size)  # the rotations that a tree of this size holds
        holder = [self._keys[before]]
        if before and size == self._sizes[before - 1] + 1:
            return [self._keys[before - 1], *holder]
        return holder

    def open(self, note: str) -> Checkpoint:
        """Verify a checkpoint's note as of its size.

        Raises:
            VerificationError: it is not signed by the keys that were in force at its size (`signing-key-rotated` where
                another key of the log signed it), is another log's, or malformed.
        """
        if not self._keys:
            return open_checkpoint(note, self._pinned, self.origin)
        wanted = self.keys_at(parse_checkpoint(note).size)
        witnesses = [key for key in self._pinned if not _is_log_key(key, self.origin)]
        try:
            checkpoint = open_checkpoint(note, [*wanted, *witnesses], self.origin)
            _, signers = open_signatures(note, wanted)
        except VerificationError as error:
            if error.code == "no-known-signature":
                self._refuse_rotated(note)
            raise
        if len(signers) < len(wanted):
            raise VerificationError(
                "the checkpoint of a key rotation is not signed by both keys", code="signing-key-rotated"
            )
        return checkpoint

    def _refuse_rotated(self, note: str) -> None:
        _, lines = split_note(note)
        named = {(line.name, line.key_id) for line in lines}
        for key in self._keys:
            verifier = parse_verifier_key(key)
            if (verifier.name, verifier.key_id) in named:
                size, signer = parse_checkpoint(note).size, verifier.key_id.hex()
                raise VerificationError(
                    f"the checkpoint is signed by the key {signer}, which is not in force at size {size}",
                    code="signing-key-rotated",
                )

    def _chain(self, rotations: Sequence[Rotation]) -> list[Rotation]:
        chain: list[Rotation] = []
        used: set[str] = set()
        for rotation in rotations:
            known = not chain or rotation.old == chain[-1].new
            if rotation.origin != self.origin or not known or rotation.new in used | {rotation.old}:
                text = f"the key rotation at entry {rotation.size} does not lead from the key in force to a new one"
                self.problems.append((rotation.size, text))
                break  # what follows hangs in the air
            used |= {rotation.old, rotation.new}
            chain.append(rotation)
        return chain

    def _check_pinned(self, own: set[str]) -> None:
        """Hold every pinned key of the log against the chain: a ledger rolled back to before a rotation lacks it."""
        if len(own) < 2:
            return
        for key in sorted(own - set(self._keys)):
            name = parse_verifier_key(key).key_id.hex()
            text = f"no key rotation leads to or from the pinned key {name}: was the ledger's tail dropped?"
            self.problems.append((None, text))


def _is_log_key(key: str, origin: str) -> bool:
    verifier = parse_verifier_key(key)
    return verifier.kind == ED25519 and verifier.name == origin


def _body(entry: bytes) -> dict[str, Any] | None:
    """Return the body of an entry of our format and of the type `key-rotation`; anything else is not ours to judge."""
    if b'"' + ENTRY_TYPE.encode() + b'"' not in entry:
        return None
    try:
        document = json.loads(entry)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("entry") != ENTRY_FORMAT or document.get("type") != ENTRY_TYPE:
        return None
    body = document.get("body")
    return body if isinstance(body, dict) else {}


def _parse(text: str) -> Rotation:
    lines = text.split("\n")
    if len(lines) != len(_LABELS) + 2 or lines[0] != HEADER or lines[-1]:
        raise VerificationError(f"a key rotation's statement starts with `{HEADER}` and has {len(_LABELS)} more lines")
    values = []
    for label, line in zip(_LABELS, lines[1:-1], strict=True):
        name, _, value = line.partition(" ")
        if name != label or not value:
            raise VerificationError(f"the statement of a key rotation has no line `{label}`")
        values.append(value)
    origin, size, encoded, old, new = values
    root = decode_base64(encoded)
    if len(root) != HASH_BYTES:
        raise VerificationError(f"the root of a key rotation does not have {HASH_BYTES} bytes")
    if old == new or not (_is_log_key(old, origin) and _is_log_key(new, origin)):
        raise VerificationError("a key rotation names two different keys, both by the log's name")
    if parse_verifier_key(old).key_id == parse_verifier_key(new).key_id:
        raise VerificationError("the two keys of a key rotation have the same id")
    return Rotation(origin, parse_decimal(size), root, old, new)
