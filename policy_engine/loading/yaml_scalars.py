"""The scalars of YAML 1.2's core schema, with what this project refuses among them.

YAML 1.2.2 section 10.3.2: only `true` and `false` are booleans, octal is `0o17`, and `1_000`, `yes` and
`2027-06-30` are strings. PyYAML resolves YAML 1.1, so its resolver is not used.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST_STRING = 16_000
# Beyond it a double, and so JSON, no longer holds every integer (RFC 7493 2.2).
LARGEST_INTEGER = 2**53 - 1

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(?:\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
# A value may hold line breaks and tabs; no other control character, and no half of a surrogate pair.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a scalar is refused; the caller knows where it stands."""

    code: str
    message: str
    help: str | None = None


def resolve_plain(text: str) -> str | int | float | bool | Refusal | None:
    """Return the value of a plain (unquoted) scalar under the core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "-+.0123456789":
        for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
            if pattern.fullmatch(text):
                return _integer(text, base)
        if _NOT_FINITE.fullmatch(text):
            return Refusal("yaml-not-finite", "infinity and not-a-number are not values here")
        if _FLOAT.fullmatch(text):
            return _float(text)
    return check_string(text)


def check_string(text: str) -> str | Refusal:
    """Return `text`, or why it cannot be a value."""
    if len(text) > LONGEST_STRING:
        return Refusal(
            "yaml-string-too-long",
            f"a string of {len(text):,} characters; at most {LONGEST_STRING:,} are read",
        )
    if found := _CONTROL.search(text):
        point = ord(found.group())
        if 0xD800 <= point <= 0xDFFF:
            return Refusal("yaml-surrogate", f"U+{point:04X} is half of a surrogate pair and not a character")
        return Refusal("yaml-control-character", f"the control character U+{point:04X} in a string")
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        # the ledger keeps no other form: two that look alike would be two names
        return Refusal(
            "yaml-not-nfc", "the text is not in Unicode normal form C", "normalise it to NFC: an accent with its letter"
        )
    return text


def _integer(text: str, base: int) -> int | Refusal:
    # Python refuses to read more than 4,300 digits, and so many need not be read to be too many.
    digits = text.lstrip("+-").removeprefix("0o").removeprefix("0x").lstrip("0")
    if len(digits) <= 20:
        number = int(digits or "0", base)
        if number <= LARGEST_INTEGER:
            return -number if text[0] == "-" else number
    return Refusal("yaml-integer-too-large", f"an integer beyond {LARGEST_INTEGER:,} cannot be kept exactly")


def _float(text: str) -> float | Refusal:
    if len(text) > LONGEST_STRING:
        return Refusal("yaml-string-too-long", f"a number of {len(text):,} characters")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return Refusal("yaml-not-finite", "a number too large to be kept")
    if number == 0 and re.search(r"[1-9]", re.split("[eE]", text)[0]):
        return Refusal("yaml-not-finite", "a number so near to zero that it cannot be told from it")
    return number + 0.0  # -0.0 becomes 0.0
