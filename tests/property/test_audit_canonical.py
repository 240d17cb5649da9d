"""orjson, prepared, writes what the reference implementation of RFC 8785 writes."""

from __future__ import annotations

import struct
import unicodedata
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from policy_audit.canonical import canonical_bytes, document_bytes, parse_canonical
from policy_audit.errors import CanonicalError

INTEGERS = st.integers(1 - 2**53, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**64 - 1).map(
    lambda bits: struct.unpack(">d", bits.to_bytes(8, "big"))[0]
).filter(lambda number: number - number == 0)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NFC = TEXT.map(lambda text: unicodedata.normalize("NFC", text))
KEYS = NFC.filter(lambda text: all(char <= "\uffff" for char in text))


def _trees(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
    )


DOCUMENTS = _trees(st.none() | st.booleans() | INTEGERS | FLOATS | TEXT, TEXT)
ENTRIES = _trees(st.none() | st.booleans() | INTEGERS | NFC, KEYS)


@given(DOCUMENTS)
@example({"\U00010000": 1, "\uffff": {"😀": [1e21, -0.0]}})
@example(["".join(map(chr, range(0x80)))])
def test_documents_are_rfc_8785(value: Any) -> None:
    assert document_bytes(value) == rfc8785.dumps(value)


@given(FLOATS)
@example(1e-7)
@example(1e16)
@example(123456789012345680000.0)
@example(5e-324)
def test_numbers_are_rfc_8785(number: float) -> None:
    assert document_bytes(number) == rfc8785.dumps(number)


@given(ENTRIES)
def test_entries_are_rfc_8785_and_are_read_back(value: Any) -> None:
    data = canonical_bytes(value)
    assert data == rfc8785.dumps(value) == document_bytes(value)
    assert parse_canonical(data) == value


@given(st.binary(max_size=40) | DOCUMENTS.map(rfc8785.dumps))
def test_what_is_parsed_is_written_again_to_the_same_bytes(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except CanonicalError:
        return
    assert canonical_bytes(value) == data


@given(TEXT)
def test_text_outside_nfc_is_refused(text: str) -> None:
    if unicodedata.is_normalized("NFC", text):
        canonical_bytes([text])
    else:
        with pytest.raises(CanonicalError):
            canonical_bytes([text])
