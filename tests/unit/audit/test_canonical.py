"""The profile of entries and the documents' RFC 8785 form, by example; the properties are in tests/property."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from policy_audit.canonical import canonical_bytes, document_bytes, parse_canonical
from policy_audit.errors import CanonicalError


def test_writes_sorted_members_without_white_space() -> None:
    value = {"b": [1, True, None], "a": "é\n\u2028", "": {}}
    assert canonical_bytes(value) == '{"":{},"a":"é\\n\u2028","b":[1,true,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        "e\u0301",
        {"e\u0301": 1},
        {"\U0001f600": 1},
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {1, 2},
        b"bytes",
        Decimal("1.5"),
        "x" * 65_534,
    ],
    ids=repr,
)
def test_the_profile_refuses(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical_bytes({"member": value} if not isinstance(value, dict) else value)


def test_the_largest_integers_and_the_largest_entry_pass() -> None:
    assert canonical_bytes([2**53 - 1, 1 - 2**53]) == b"[9007199254740991,-9007199254740991]"
    assert len(canonical_bytes("x" * 65_533)) == 65_535


def test_depth_is_bounded() -> None:
    value: object = 1
    for _ in range(200):
        value = [value]
    for write in (canonical_bytes, document_bytes):
        with pytest.raises(CanonicalError, match="nested"):
            write(value)
    with pytest.raises(CanonicalError):
        parse_canonical(b"[" * 60_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b' {"a":1}',
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b"1.0",
        b"1e2",
        b"-0",
        b"01",
        b"9007199254740992",
        b"123456789012345678901234567890",
        b"NaN",
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xff"',
        b'"e\xcc\x81"',
        b"\xef\xbb\xbf{}",
        b"{}\n",
        b'"' + b"x" * 65_534 + b'"',
    ],
)
def test_parsing_takes_only_what_would_be_written(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        parse_canonical(data)


def test_parsing_gives_the_value_back() -> None:
    value = {"a": [1, "é", {"b": None}], "c": False}
    assert parse_canonical(canonical_bytes(value)) == value


# Numbers of RFC 8785, appendix B, by their IEEE 754 bits.
RFC_8785_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), RFC_8785_NUMBERS.items())
def test_documents_write_the_numbers_of_rfc_8785(bits: str, text: str) -> None:
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert document_bytes([number]).decode() == f"[{text}]"


def test_documents_sort_keys_by_utf_16_units() -> None:
    # RFC 8785 3.2.3
    value = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}
    assert document_bytes(value) == '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'.encode()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, {1: 1}, "\ud800", {"\ud800😀": 1}, Decimal("1.5"), {"😀": Decimal("1.5")}],
    ids=repr,
)
def test_documents_refuse(value: object) -> None:
    with pytest.raises(CanonicalError):
        document_bytes([value])
