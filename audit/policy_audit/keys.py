"""Ed25519 keys of signed notes: names, key ids, texts of signer and verifier keys, and the signer's file.

The key lives outside the database. Its name is the ledger's origin.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policy_audit.durable import ExposedError, read_private, write_private
from policy_audit.errors import SigningKeyError, VerificationError

ED25519 = b"\x01"
COSIGNATURE = b"\x04"  # C2SP tlog-cosignature: a witness's Ed25519 key, which signs a time with the checkpoint
COSIGNATURE_BYTES = 8 + 64
MAX_NAME = 255
MAX_KEY_FILE_BYTES = 4096
_SIGNER_PREFIX = "PRIVATE+KEY+"
#: Unicode spaces, control characters and the plus.
_NO_NAME = re.compile(r"[\s\x00-\x1f+]")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class Signer(Protocol):
    """What signs notes: a key in memory, or a hook to a key management service."""

    @property
    def name(self) -> str: ...
    @property
    def verifier_key(self) -> str: ...
    @property
    def key_id(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


class Ed25519Signer:
    """A private key held in memory."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not is_key_name(name):
            raise SigningKeyError(f"`{name[:40]}` cannot be a key's name", help="no spaces, no `+`, at most 255 bytes")
        if len(seed) != 32:
            raise SigningKeyError("an Ed25519 key has 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()
        self.name = name
        self.key_id = key_id(name, self._public)

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.name!r})"

    @property
    def verifier_key(self) -> str:
        return verifier_key_of(self.name, self._public)

    @property
    def signer_key(self) -> str:
        """The private text: `PRIVATE+KEY+name+id+base64(0x01 || seed)`, as Go's `note` package writes it."""
        return _SIGNER_PREFIX + _key_text(self.name, self.key_id, self._seed)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key that someone pinned: a log's (`ED25519`), or a witness's (`COSIGNATURE`)."""

    name: str
    key_id: bytes
    public: bytes
    kind: bytes = ED25519

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`, a note's text."""
        if self.kind == COSIGNATURE:
            if len(signature) != COSIGNATURE_BYTES or signature[0] > 0x7F:  # no time is above 2^63 - 1
                return False
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = b"cosignature/v1\ntime %d\n%b" % (time, message)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """Return the four bytes that name a key together with its name (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def verifier_key_of(name: str, public: bytes) -> str:
    """Return the verifier key of an Ed25519 key: `name+hex(key id)+base64(0x01 || public key)`."""
    return _key_text(name, key_id(name, public), public)


def is_key_name(name: str, most: int = MAX_NAME) -> bool:
    """Tell whether `name` may stand in a signature line: not empty, no Unicode space, no plus, at most `most` bytes."""
    if not name or _NO_NAME.search(name):
        return False
    try:
        return len(name.encode()) <= most
    except UnicodeEncodeError:
        return False


def generate_signer(name: str | None = None) -> Ed25519Signer:
    """Make a new key; without a `name` it gets one of its own, which is then the ledger's origin."""
    return Ed25519Signer(name or f"policy-ledger.local/{secrets.token_hex(4)}", secrets.token_bytes(32))


def parse_verifier_key(text: str) -> Verifier:
    """Read `name+hex(key id)+base64(type || public key)`, of the type 0x01, or 0x04 for a witness.

    Raises:
        VerificationError: it is not that, or the key id is not the one of this name and key.
    """
    name, identifier, kind, public = _split_key(text, ED25519, COSIGNATURE)
    if len(public) != 32:
        raise VerificationError("the verifier key does not hold an Ed25519 key")
    if key_id(name, public, kind) != identifier:
        raise VerificationError("the verifier key's id is not that of its name and key")
    return Verifier(name, identifier, public, kind)


def parse_signer_key(text: str) -> Ed25519Signer:
    """Read a signer key's text.

    Raises:
        SigningKeyError: it is not one; the message never holds any of it.
    """
    if not text.startswith(_SIGNER_PREFIX):
        raise SigningKeyError("not a signing key", help=f"the text starts with `{_SIGNER_PREFIX}`")
    try:
        name, identifier, _, seed = _split_key(text.removeprefix(_SIGNER_PREFIX), ED25519)
    except VerificationError:
        raise SigningKeyError("the signing key is malformed") from None
    signer = Ed25519Signer(name, seed)
    if signer.key_id != identifier:
        raise SigningKeyError("the signing key's id is not that of its name and key")
    return signer


def write_key_file(path: Path, signer: Ed25519Signer) -> None:
    """Create the signer's file with mode 0600, durably; an existing file is never overwritten.

    Raises:
        SigningKeyError: the file exists or cannot be written.
    """
    write_key_text(path, signer.signer_key + "\n")


def write_key_text(path: Path, text: str) -> None:
    """Create a key's file, as `write_key_file` does.

    Raises:
        SigningKeyError: the file exists or cannot be written.
    """
    try:
        write_private(path, text.encode())
    except FileExistsError:
        raise SigningKeyError(f"the file `{path}` already exists", code="signing-key-exists") from None
    except OSError as error:
        raise SigningKeyError(f"the signing key `{path}` cannot be written: {error.strerror}") from None


def read_key_file(path: Path) -> Ed25519Signer:
    """Read the signer's file.

    Raises:
        SigningKeyError: it is missing, unreadable, malformed, or others than its owner can read it.
    """
    text = read_key_text(path)
    try:
        return parse_signer_key(text.removesuffix("\n"))
    except SigningKeyError:
        raise no_key(path) from None


def read_key_text(path: Path) -> str:
    """Return what a key's file holds.

    Raises:
        SigningKeyError: it is missing, unreadable, no text, or others than its owner can read it.
    """
    try:
        return read_private(path, MAX_KEY_FILE_BYTES).decode()
    except FileNotFoundError:
        raise SigningKeyError(f"the signing key `{path}` is missing", code="signing-key-missing") from None
    except ExposedError:
        raise SigningKeyError(
            f"the signing key `{path}` can be read or written by others than its owner",
            code="signing-key-exposed",
            help=f"if nobody else read it: chmod 600 {path}",
        ) from None
    except OSError as error:
        raise SigningKeyError(f"the signing key `{path}` cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise no_key(path) from None


def no_key(path: Path) -> SigningKeyError:
    """Say that a file holds no key, and nothing of what it holds."""
    return SigningKeyError(f"the file `{path}` does not hold a signing key")


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in the one way it can be written.

    Raises:
        VerificationError: other characters, missing padding, or bits that the encoder would not have set.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise VerificationError("not base64 in canonical form")
    return data


def _key_text(name: str, identifier: bytes, key: bytes) -> str:
    return f"{name}+{identifier.hex()}+{base64.b64encode(ED25519 + key).decode()}"


def _split_key(text: str, *kinds: bytes) -> tuple[str, bytes, bytes, bytes]:
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    if len(text) > 1024 or not is_key_name(name) or not _KEY_ID.fullmatch(identifier):
        raise VerificationError(
            f"`{text[:60]}` is not a verifier key", help="a verifier key is `name+hex(key id)+base64(0x01 || key)`"
        )
    key = decode_base64(encoded)
    if key[:1] not in kinds:
        raise VerificationError("the key is not of the type Ed25519 (0x01), nor of a witness's (0x04)")
    return name, bytes.fromhex(identifier), key[:1], key[1:]
