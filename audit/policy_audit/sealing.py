"""Sealed personal values: what stands in the column `sealed`, and who counts as the same person.

    sealed = nonce (12 bytes) || AES-256-GCM(person's key, padded, associated data = entry's index and name)
    padded = salt || 0x0A || value, in UTF-8, then 0x80 and zeros up to a multiple of 64 bytes (ISO/IEC 7816-4)

The padding keeps a name's length from telling the name. A plain value, carried over from revision 0001, is
`salt || 0x0A || value` alone.
"""

from __future__ import annotations

import os
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policy_audit.commitment import Disclosure

NONCE_BYTES = 12
_TAG_BYTES = 16
_BLOCK = 64


def normalise(value: str) -> str:
    """Return the form in which two spellings of one person are the same: NFC, case folded, trimmed.

    Unicode's canonical caseless matching (Unicode Standard 3.13, D145), with blanks at both ends left out.
    """
    folded = value.casefold() if value.isascii() else unicodedata.normalize("NFD", value).casefold()
    return folded.strip() if folded.isascii() else unicodedata.normalize("NFC", folded).strip()


def new_nonces(count: int) -> list[bytes]:
    """Return so many nonces, which are random and never used twice."""
    # asked for at once: each question to the system lets another thread of this process go first
    data = os.urandom(NONCE_BYTES * count)
    return [data[start : start + NONCE_BYTES] for start in range(0, len(data), NONCE_BYTES)]


def seal_value(cipher: AESGCM, index: int, disclosure: Disclosure, nonce: bytes) -> bytes:
    """Return the sealed form of a value of the entry at `index`; `nonce` is one of `new_nonces`, used for it alone."""
    padded = plain_value(disclosure) + b"\x80"
    padded += bytes(-len(padded) % _BLOCK)
    return nonce + cipher.encrypt(nonce, padded, _bound(index, disclosure.name))


def open_value(cipher: AESGCM, index: int, name: str, sealed: object) -> Disclosure | None:
    """Return what `sealed` holds; None where it was changed, or is another entry's, name's or person's."""
    if not is_sealed_form(sealed):
        return None
    assert isinstance(sealed, bytes)  # noqa: S101 - said by the line above
    try:
        padded = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(index, name))
    except (InvalidTag, UnicodeEncodeError):
        return None
    content = padded.rstrip(b"\x00")
    return read_plain(name, content[:-1]) if content[-1:] == b"\x80" else None


def is_sealed_form(sealed: object) -> bool:
    """Whether `sealed` has the form of a sealed value, which is all that can be told without the key."""
    return (
        isinstance(sealed, bytes)
        and len(sealed) >= NONCE_BYTES + _BLOCK + _TAG_BYTES
        and (len(sealed) - NONCE_BYTES - _TAG_BYTES) % _BLOCK == 0
    )


def plain_value(disclosure: Disclosure) -> bytes:
    """Return `salt || 0x0A || value`."""
    return f"{disclosure.salt}\n{disclosure.value}".encode()


def read_plain(name: str, content: object) -> Disclosure | None:
    """Return the disclosure in `salt || 0x0A || value`; None where it is not that."""
    try:
        salt, line, value = content.decode().partition("\n") if isinstance(content, bytes) else ("", "", "")
    except UnicodeDecodeError:
        return None
    return Disclosure(salt, name, value) if line else None


def _bound(index: int, name: str) -> bytes:
    return f"policy-audit/v1 personal value\n{index}\n{name}".encode()
