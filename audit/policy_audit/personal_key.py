"""The personal key: what personal values are in the end sealed under. It lives outside the database, in a file.

The file stands beside the signing key, as `<signing key>.personal`, with mode 0600, and holds one line:
`PERSONAL+KEY+<origin>+<key id>+<base64 of 32 bytes>`. Whoever has the database or its backups alone can read no
personal value, and cannot try names against it.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from policy_audit.durable import ExposedError, read_private, sync_folder
from policy_audit.errors import PersonalKeyError
from policy_audit.sealing import NONCE_BYTES, normalise

KEY_BYTES = 32
KEY_ID_BYTES = 8
WRAPPED_BYTES = KEY_ID_BYTES + NONCE_BYTES + KEY_BYTES + 16
_PREFIX = "PERSONAL+KEY+"
_MAX_FILE_BYTES = 4096
_PURPOSE = b"policy-audit/v1 personal "


class PersonalKey:
    """32 secret bytes, and the two keys derived from them: one names persons, one wraps their keys.

    INVARIANT: a person's name for the database (`subject`) follows from the value and this key alone.
    """

    def __init__(self, origin: str, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise PersonalKeyError(f"a personal key has {KEY_BYTES} bytes")
        self.origin = origin
        self.secret = secret
        self.key_id = self._derive(b"id", KEY_ID_BYTES)
        self._lookup = self._derive(b"lookup", KEY_BYTES)
        self._wrapping = AESGCM(self._derive(b"wrapping", KEY_BYTES))

    def __repr__(self) -> str:
        return f"PersonalKey({self.origin!r}, {self.key_id.hex()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PersonalKey) and (self.origin, self.secret) == (other.origin, other.secret)

    def __hash__(self) -> int:
        return hash((self.origin, self.key_id))

    @property
    def text(self) -> str:
        """The line of the file."""
        encoded = base64.b64encode(self.secret).decode()
        return f"{_PREFIX}{self.origin}+{self.key_id.hex()}+{encoded}\n"

    def subject(self, value: str) -> str:
        """Return what stands for the person `value` in the database: 128 bits of HMAC-SHA256, in base64url."""
        digest = hmac.digest(self._lookup, normalise(value).encode(), sha256)
        return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()

    def wrap(self, subject: str, key: bytes) -> bytes:
        """Return the person's `key` as the database keeps it: key id, nonce, AES-256-GCM."""
        nonce = os.urandom(NONCE_BYTES)
        return self.key_id + nonce + self._wrapping.encrypt(nonce, key, self._bound(subject))

    def unwrap(self, subject: str, wrapped: object) -> bytes:
        """Return the person's key.

        Raises:
            PersonalKeyError: it is not a wrapped key, is another person's, or was wrapped under another personal key.
        """
        if not is_wrapped_form(wrapped):
            raise PersonalKeyError("a person's key is malformed", code="personal-key-changed", help=_VERIFY)
        assert isinstance(wrapped, bytes)  # noqa: S101 - said by the line above
        if wrapped[:KEY_ID_BYTES] != self.key_id:
            raise PersonalKeyError(
                f"the personal key {self.key_id.hex()} is not the one that the ledger's values are sealed under",
                code="personal-key-other",
                help="put the ledger's own personal key beside its signing key",
            )
        nonce, rest = wrapped[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES], wrapped[KEY_ID_BYTES + NONCE_BYTES :]
        try:
            return self._wrapping.decrypt(nonce, rest, self._bound(subject))
        except (InvalidTag, UnicodeEncodeError):
            message = "a person's key was changed, or is another person's"
            raise PersonalKeyError(message, code="personal-key-changed", help=_VERIFY) from None

    def _bound(self, subject: str) -> bytes:
        return _PURPOSE + f"subject-key\n{self.origin}\n{subject}".encode()

    def _derive(self, purpose: bytes, length: int) -> bytes:
        info = _PURPOSE + purpose + b"\n" + self.origin.encode()
        return HKDF(SHA256(), length, salt=None, info=info).derive(self.secret)


_VERIFY = "run `policy audit verify`"


def generate_personal_key(origin: str) -> PersonalKey:
    """Make a new key for the ledger of this origin."""
    return PersonalKey(origin, secrets.token_bytes(KEY_BYTES))


def is_wrapped_form(wrapped: object) -> bool:
    """Whether `wrapped` has the form of a person's wrapped key, which is all that can be told without the key."""
    return isinstance(wrapped, bytes) and len(wrapped) == WRAPPED_BYTES


def path_of(signing_key: Path) -> Path:
    """Return where the personal key stands: beside the signing key."""
    return signing_key.with_name(signing_key.name + ".personal")


def write_personal_key(path: Path, key: PersonalKey) -> None:
    """Write the key's file, readable by its owner alone, whole or not at all; what is there is replaced.

    The caller holds the ledger's lock, so that no two processes make a key.

    Raises:
        PersonalKeyError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(key.text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise PersonalKeyError(f"the personal key `{path}` cannot be written: {error.strerror}") from None


def read_personal_key(path: Path) -> PersonalKey:
    """Read the key's file.

    Raises:
        PersonalKeyError: it is missing, unreadable, malformed, or others than its owner can read it.
    """
    try:
        data = read_private(path, _MAX_FILE_BYTES)
    except FileNotFoundError:
        raise PersonalKeyError(f"the personal key `{path}` is missing", code="personal-key-missing") from None
    except ExposedError:
        raise PersonalKeyError(
            f"the personal key `{path}` can be read or written by others than its owner",
            code="personal-key-exposed",
            help=f"if nobody else read it: chmod 600 {path}; else also: policy audit rekey",
        ) from None
    except OSError as error:
        raise PersonalKeyError(f"the personal key `{path}` cannot be read: {error.strerror}") from None
    key = _parse(data)
    if key is None:
        raise PersonalKeyError(f"the file `{path}` does not hold a personal key")
    return key


def _parse(data: bytes) -> PersonalKey | None:
    try:
        text = data.decode("utf-8")
        # an origin holds no plus; base64 may
        origin, _, encoded = text.removeprefix(_PREFIX).removesuffix("\n").split("+", 2)
        key = PersonalKey(origin, base64.b64decode(encoded, validate=True))
    except (ValueError, PersonalKeyError):
        return None
    return key if key.text == text else None
