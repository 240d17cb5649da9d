"""RFC 8785 canonical JSON: the restricted profile of entries, and documents in full.

`orjson` does the writing; what it does differently from RFC 8785 is prepared beforehand:
numbers (ECMAScript notation), keys outside the basic plane (UTF-16 order), NaN, infinities and large integers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from policy_audit.errors import CanonicalError

MAX_ENTRY_BYTES = 65_535
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_AS_IT_IS = frozenset((str, bool, type(None)))
MAX_DEPTH = 128  # below orjson's own limit of 254
MAX_INTEGER = 2**53 - 1


def canonical_bytes(value: Any) -> bytes:
    """Return the bytes of `value` in the profile of entries.

    Raises:
        CanonicalError: a float, an integer of 2^53 or more, text that is not NFC, a key that is no text or has
            astral characters, a type that JSON does not have, or more than 65,535 bytes.
    """
    check_profile(value)
    data = dump_checked(value)
    check_size(len(data))
    return data


def check_size(size: int) -> None:
    """Refuse an entry of more than 65,535 bytes.

    Raises:
        CanonicalError: it has more.
    """
    if size > MAX_ENTRY_BYTES:
        raise CanonicalError(
            f"the entry has {size:,} bytes, more than {MAX_ENTRY_BYTES:,}",
            code="entry-too-large",
            help="put the document into a blob",
        )


def parse_canonical(data: bytes) -> Any:
    """Return the value of an entry's bytes, which must be exactly what `canonical_bytes` writes.

    Raises:
        CanonicalError: anything else: white space, another order or notation, a duplicate key, not UTF-8.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise CanonicalError(f"more than {MAX_ENTRY_BYTES:,} bytes", code="entry-too-large")
    try:
        value = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {error}") from None
    # A duplicate key, or any other notation, does not survive being written again.
    if canonical_bytes(value) != data:
        raise CanonicalError("the bytes are JSON, but not in canonical form")
    return value


def document_bytes(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a document of any size up to 64 MiB; floats and any text are allowed.

    Raises:
        CanonicalError: NaN, an infinity, an integer of 2^53 or more, a key that is no text, a lone surrogate,
            or a type that JSON does not have.
    """
    data = dump_checked(_prepare(value, 0))
    if len(data) > MAX_DOCUMENT_BYTES:
        raise CanonicalError(f"the document has {len(data):,} bytes, more than {MAX_DOCUMENT_BYTES:,}")
    return data


def dump_checked(value: Any) -> bytes:
    """Return the canonical bytes of what `check_profile` has passed.

    Raises:
        CanonicalError: text with half a character in it.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise CanonicalError(f"cannot be written as UTF-8 JSON: {error}") from None


def check_profile(value: Any, refused: frozenset[str] = frozenset(), depth: int = 0) -> None:
    """Refuse what the profile of entries does not have, and text under keys that are `refused`.

    Raises:
        CanonicalError: see `canonical_bytes`; `personal-field` where a key is refused.
    """
    # Exact types come first, and ASCII is seen without a call: most of every entry is ASCII text.
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value)
    elif kind is dict:
        _check_members(value, refused, depth)
    elif kind is list or kind is tuple:
        _check_depth(depth)
        if not _is_ascii(value):
            for member in value:
                check_profile(member, refused, depth + 1)
    elif isinstance(value, int):
        _check_integer(value)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        raise CanonicalError(
            f"the number `{value}` is not an integer", help="write it as decimal text, or put it into a blob"
        )
    elif value is not None:
        raise CanonicalError(f"JSON has no `{kind.__name__}`")


def _check_members(value: dict[Any, Any], refused: frozenset[str], depth: int) -> None:
    _check_depth(depth)
    for key, member in value.items():
        if type(key) is not str or not key.isascii():
            _check_key(key)
        if key in refused and isinstance(member, str):
            raise CanonicalError(
                f"the personal field `{key}` may not stand in an entry",
                code="personal-field",
                help="give it in `personal`: the entry then holds a commitment to it",
            )
        if type(member) is not str or not member.isascii():
            check_profile(member, refused, depth + 1)


def _is_ascii(values: Sequence[Any]) -> bool:
    try:
        return "".join(values).isascii()
    except TypeError:  # not all are text
        return False


def _check_text(text: str) -> None:
    if not unicodedata.is_normalized("NFC", text):
        raise CanonicalError(
            f"the text `{text[:40]}` is not in Unicode normal form C", code="not-nfc", help="normalise it to NFC"
        )


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise CanonicalError(f"the key `{key!r}` is not text")
    _check_text(key)
    # Without astral characters, UTF-16 order (RFC 8785 3.2.3) is the order of code points.
    if not key.isascii() and max(key) > "\uffff":
        raise CanonicalError(f"the key `{key[:40]}` has characters above U+FFFF")


def _check_integer(number: int) -> None:
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise CanonicalError(f"the integer `{number}` is not below 2^53", help="write it as text")


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}")


def _prepare(value: Any, depth: int) -> Any:
    """Return `value` as `orjson` must be given it to write RFC 8785: itself, where nothing in it has to change."""
    # Exact types come first: documents hold thousands of values, and recording waits for this.
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is dict:
        return _prepare_object(value, depth)
    if kind is list or kind is tuple:
        return _prepare_array(value, depth)
    if isinstance(value, float):
        return _prepare_float(value)
    if isinstance(value, int):
        _check_integer(value)
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _prepare_object(dict(value), depth)
    if isinstance(value, list | tuple):
        return _prepare_array(list(value), depth)
    raise CanonicalError(f"JSON has no `{kind.__name__}`")


def _prepare_array(value: Sequence[Any], depth: int) -> Any:
    _check_depth(depth)
    members: Any = value
    for place, each in enumerate(value):
        if type(each) not in _AS_IT_IS:
            prepared = _prepare(each, depth + 1)
            if prepared is not each:
                if members is value:
                    members = list(value)
                members[place] = prepared
    return members


def _prepare_object(value: dict[Any, Any], depth: int) -> Any:
    _check_depth(depth)
    astral, members = False, value
    for key, member in value.items():
        if type(key) is not str or not key.isascii():
            if not isinstance(key, str):
                raise CanonicalError(f"the key `{key!r}` is not text")
            astral = astral or max(key, default="") > "\uffff"
        if type(member) not in _AS_IT_IS:
            prepared = _prepare(member, depth + 1)
            if prepared is not member:
                if members is value:
                    members = dict(value)
                members[key] = prepared
    if not astral:
        return members
    # RFC 8785 3.2.3 sorts by UTF-16 units; orjson sorts by code points, so this object is written here.
    try:
        names = sorted(members, key=lambda key: key.encode("utf-16-be"))
    except UnicodeEncodeError as error:
        raise CanonicalError(f"cannot be written as UTF-8 JSON: {error}") from None
    return orjson.Fragment(
        b"{" + b",".join(dump_checked(name) + b":" + dump_checked(members[name]) for name in names) + b"}"
    )


def _prepare_float(number: float) -> Any:
    if number - number != 0:  # NaN and infinities
        raise CanonicalError(f"JSON has no number `{number}`")
    if number.is_integer() and abs(number) <= MAX_INTEGER:
        return int(number)  # also -0.0, which RFC 8785 writes as 0
    if 1e-4 <= abs(number) < 1e15:
        return number  # orjson and ECMAScript both write the shortest digits without an exponent
    return orjson.Fragment(_ecmascript(number).encode())


def _ecmascript(number: float) -> str:
    """Write a float as ECMA-262 Number::toString does, from Python's shortest digits."""
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # The decimal point stands `point` places right of the first digit.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
