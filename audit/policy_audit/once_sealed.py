"""Requests that may be asked again: what of it stands in an entry, and how that is opened. No input or output.

    "context": {"once": {"commitment": ..., "entries": N}, ...}

The commitment is one to key and request, salted (`commitment`); the salt stands with them in the table `once` for 24
hours, and then nowhere. `entries` says how many entries, from this one on, were the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policy_audit.commitment import Disclosure, disclose, opens
from policy_audit.errors import CanonicalError
from policy_audit.view import instant

CONTEXT = "once"
KEPT = timedelta(hours=24)
MOST_ENTRIES = 1_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Once:
    """What lets a request be asked again: for 24 hours a second draft with this `key` is not appended.

    Both are SHA-256s in 64 hexadecimal digits that the caller makes: of an idempotency key with its principal, and of
    the request. They never stand in an entry, which has a salted commitment to them: from what is short-lived and
    easily guessed nothing must be left that guesses could be tried against.
    """

    key: str
    request: str


@dataclass(frozen=True, slots=True)
class SealedOnce:
    """Key and request with the salt that opens the entry's commitment to them, and how many entries they cover."""

    key: str
    request: str
    salt: str
    commitment: str
    entries: int = 1

    def member(self, entries: int) -> dict[str, Any]:
        """Return what the entry's context has of it."""
        return {"commitment": self.commitment, "entries": entries}


def seal_once(once: Once) -> SealedOnce:
    """Commit to what makes a request the same.

    Raises:
        CanonicalError: key or request is no SHA-256 in hexadecimal digits.
    """
    for value in (once.key, once.request):
        if not isinstance(value, str) or not _DIGEST.fullmatch(value):
            raise CanonicalError("what makes a request the same is not two SHA-256s in hexadecimal digits")
    disclosure = disclose(CONTEXT, _value(once.key, once.request))
    return SealedOnce(once.key, once.request, disclosure.salt, disclosure.digest)


def said_once(context: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the commitment in an entry's context and how many entries it covers; None where there is none."""
    said = context.get(CONTEXT)
    if not isinstance(said, dict) or said.keys() != {"commitment", "entries"}:
        return None
    commitment, entries = said["commitment"], said["entries"]
    if not isinstance(commitment, str) or type(entries) is not int or not 1 <= entries <= MOST_ENTRIES:
        return None
    return commitment, entries


def is_committed(commitment: str, key: Any, request: Any, salt: object) -> bool:
    """Whether the columns of a row, which may hold anything, open an entry's commitment."""
    if not isinstance(salt, str) or not all(
        isinstance(each, str) and _DIGEST.fullmatch(each) for each in (key, request)
    ):
        return False
    return opens(commitment, Disclosure(salt, CONTEXT, _value(key, request)))


def expired_by(moment: str) -> str:
    """Return the time up to which what was recorded is forgotten at `moment`, both as entries have them.

    What looks like a time and is none, as an entry that somebody made up may have it, lets nothing be forgotten.
    """
    try:
        return later(moment, -KEPT)
    except (ValueError, OverflowError):
        return ""


def later(moment: str, after: timedelta) -> str:
    """Return the time so much after `moment`, as entries have it."""
    return instant(datetime.fromisoformat(moment) + after)


def _value(key: str, request: str) -> str:
    return f"{key} {request}"
