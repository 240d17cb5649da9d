"""Our entries, read with the standard library alone: an auditor's program has no `orjson`.

Agrees with `policy_audit.canonical`, to which a property test holds it. What is not an entry of ours is opaque.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from policy_audit.errors import VerificationError

FORMAT = "policy-audit/v1"
MAX_DEPTH = 128
MAX_INTEGER = 2**53 - 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RECORDED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_SPACE = b" \t\r\n"
_MARK = b'"entry":"policy-audit/v1"'


class PlainEntry(NamedTuple):
    """What verifying a folder asks of an entry of ours: its type, its time, the documents that it names, its body.

    `spooled`: its time is that of a runner without a ledger, which was collected later.
    """

    type: str
    recorded_at: str
    documents: tuple[str, ...]
    body: Mapping[str, Any]
    spooled: bool = False


def read_plain(data: bytes) -> PlainEntry | None:
    """Read an entry's bytes; None where they are no entry of the format `policy-audit/v1`, but another program's.

    Raises:
        VerificationError: they say that they are of this format, and are not canonical, or not an entry.
    """
    if not data.startswith(b"{") and not data.lstrip(_SPACE).startswith(b"{"):
        return None
    try:
        text = data.decode("utf-8")
        value, _ = _DECODER.raw_decode(text.lstrip(_SPACE.decode()))
    except (ValueError, RecursionError) as error:
        if _MARK in data:
            reason = error.message if isinstance(error, VerificationError) else "not JSON in UTF-8"
            raise VerificationError(f"it says that it is `{FORMAT}`, but is not canonical: {reason}") from None
        return None
    if value.get("entry") != FORMAT:
        return None
    _check_canonical(data, text, value)
    return _checked(value)


def _check_canonical(data: bytes, text: str, value: Any) -> None:
    # Every object and array has its bracket, so that few brackets bound the depth without a walk.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH or not data.isascii():
        for depth, member in _walk(value):
            _check_member(depth, member)
    # A duplicate key, white space, another order or notation does not survive being written again.
    if _ENCODER.encode(value) != text:
        raise VerificationError("the bytes are JSON, but not in canonical form")


def _walk(value: Any) -> Iterator[tuple[int, Any]]:
    """Yield every value and key with the number of objects and arrays around it."""
    waiting = [(0, value)]
    while waiting:
        depth, member = waiting.pop()
        yield depth, member
        if isinstance(member, dict):
            for key, inner in member.items():
                if max(key, default="") > "\uffff":
                    raise VerificationError("a key has characters above U+FFFF")
                waiting += [(depth + 1, key), (depth + 1, inner)]
        elif isinstance(member, list):
            waiting += [(depth + 1, inner) for inner in member]


def _check_member(depth: int, member: Any) -> None:
    if isinstance(member, dict | list) and depth >= MAX_DEPTH:
        raise VerificationError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(member, str) and not unicodedata.is_normalized("NFC", member):
        raise VerificationError("a text is not in Unicode normal form C")


def _checked(value: dict[str, Any]) -> PlainEntry:
    kind, recorded_at, blobs = value.get("type"), value.get("recorded_at"), value.get("blobs")
    if not isinstance(kind, str) or not isinstance(recorded_at, str) or not _RECORDED_AT.fullmatch(recorded_at):
        raise VerificationError("the entry's type or time of recording is not of the format")
    if not isinstance(blobs, dict):
        raise VerificationError("the entry does not say which documents it names")
    for digest in blobs.values():
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise VerificationError("the entry names a document by what is not a digest")
    body, context = value.get("body"), value.get("context")
    spooled = isinstance(context, dict) and "spooled" in context
    return PlainEntry(kind, recorded_at, tuple(blobs.values()), body if isinstance(body, dict) else {}, spooled)


def _integer(digits: str) -> int:
    # no number of the profile has more than 16 digits and a sign, and reading longer ones takes long
    number = int(digits) if len(digits) <= 17 else MAX_INTEGER + 1
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise VerificationError("an integer is not below 2^53")
    return number


def _no_number(text: str) -> Any:
    raise VerificationError(f"the number `{text[:40]}` is not an integer")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_no_number, parse_constant=_no_number)
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
