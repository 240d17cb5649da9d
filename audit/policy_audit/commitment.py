"""Salted commitments to personal values, in the shape of SD-JWT disclosures (RFC 9901, 4.2).

An entry holds the digest only. Destroying the salt destroys the way back: 128 random bits are not guessed.
"""

from __future__ import annotations

import secrets
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from policy_audit.canonical import dump_checked
from policy_audit.errors import AuditError, VerificationError

SALT_BYTES = 16
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What opens a commitment. `salt` is 128 random bits in base64url."""

    salt: str
    name: str
    value: str

    @property
    def encoded(self) -> str:
        """base64url of the JSON array `[salt, name, value]`, RFC 8785 form."""
        return _base64url(dump_checked([self.salt, self.name, self.value]))

    @property
    def digest(self) -> str:
        """The commitment."""
        return digest_of(self.encoded)


def disclose(name: str, value: str) -> Disclosure:
    """Make a commitment to `value` with a new salt."""
    return disclose_all([(name, value)])[0]


def disclose_all(named: Sequence[tuple[str, str]]) -> tuple[Disclosure, ...]:
    """Make commitments to values by name, each with a new salt."""
    # asked for at once: each question to the system lets another thread of this process go first
    salts = secrets.token_bytes(SALT_BYTES * len(named))
    starts = range(0, len(salts), SALT_BYTES)
    return tuple(
        Disclosure(_base64url(salts[start : start + SALT_BYTES]), *each)
        for start, each in zip(starts, named, strict=True)
    )


def digest_of(encoded: str) -> str:
    """Return the commitment of an encoded disclosure."""
    return _base64url(sha256(encoded.encode("ascii")).digest())


def verify_commitment(digest: str, disclosure: Disclosure) -> None:
    """Verify that `disclosure` opens `digest`.

    Raises:
        VerificationError: it does not.
    """
    if not compare_digest(disclosure.digest.encode(), digest.encode()):
        raise VerificationError(f"the value of `{disclosure.name}` is not the one that was committed to")


def opens(digest: str, disclosure: Disclosure) -> bool:
    """Whether `disclosure`, which may come from a column that holds anything, opens `digest`."""
    try:
        verify_commitment(digest, disclosure)
    except AuditError:
        return False
    return True


def _base64url(data: bytes) -> str:
    # several for each decision in bulk: the `base64` module takes three times as long for the same
    return b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode("ascii")
