"""Positions in an answer that is read page by page, as text that only the same question takes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct

from policy_engine.errors import Problem, UsageError

#: How a page is read, and no part of what is asked.
_HOW = frozenset({"cursor", "limit", "count"})
_DIGEST = 16
_MOST = (1 << 53) - 1


class Cursor(Struct, frozen=True):
    """Where the next page begins, in which tree, and when the question was asked first (RFC 3339)."""

    start: int
    size: int
    asked_at: str


def digest_of(asked: Mapping[str, Any]) -> str:
    """Return what tells questions apart."""
    plain = {name: str(value) for name, value in asked.items() if name not in _HOW}
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:_DIGEST]


def written(cursor: Cursor, asked: Mapping[str, Any]) -> str:
    """Return a cursor as text."""
    whole = [cursor.start, cursor.size, cursor.asked_at, digest_of(asked)]
    return base64.urlsafe_b64encode(json.dumps(whole, separators=(",", ":")).encode()).decode().rstrip("=")


def read(text: str, asked: Mapping[str, Any]) -> Cursor:
    """Return the cursor of a text.

    Raises:
        UsageError: it is none, or belongs to another question.
    """
    try:
        # `+ "=="`: as much as is ever left out; what is too much of it is not looked at
        start, size, asked_at, digest = json.loads(base64.urlsafe_b64decode(text + "=="))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _refused("is none that this server gave") from None
    numbers = all(type(each) is int and 0 <= each <= _MOST for each in (start, size))
    if not numbers or not isinstance(asked_at, str) or not isinstance(digest, str):
        raise _refused("is none that this server gave")
    if digest != digest_of(asked):
        raise _refused("belongs to a question with other parameters")
    return Cursor(start, size, asked_at)


def _refused(what: str) -> UsageError:
    hint = "take `next` of the page before, with the same parameters, or leave it out to begin anew"
    return UsageError(Problem("cursor", f"the cursor {what}", help=hint))
