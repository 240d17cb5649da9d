"""Sealed values: who is the same person, and what opens what."""

from __future__ import annotations

import unicodedata

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.commitment import SALT_BYTES, Disclosure, disclose, disclose_all, opens
from policy_audit.errors import PersonalKeyError
from policy_audit.personal_key import WRAPPED_BYTES, PersonalKey, generate_personal_key
from policy_audit.sealing import (
    NONCE_BYTES,
    is_sealed_form,
    new_nonces,
    normalise,
    open_value,
    plain_value,
    read_plain,
    seal_value,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
FORMS = st.sampled_from(("NFC", "NFD"))
CIPHER = AESGCM(bytes(32))
KEY = PersonalKey("log.example", bytes(range(32)))


@given(TEXT, FORMS, FORMS)
def test_the_same_text_in_another_form_is_the_same_person(text: str, one: str, other: str) -> None:
    def form(name: str) -> str:
        return unicodedata.normalize(name, text)  # type: ignore[arg-type]

    assert normalise(form(one)) == normalise(f"\u00a0{form(other)} \n")
    assert normalise(form(one)) == normalise(form(other).casefold())


@given(TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text("abcABC xyzäÖßİıéE\u0301\u0345ΣσςĀ\u1fb3", max_size=12))
def test_normalising_twice_changes_nothing_where_case_and_form_meet(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(TEXT, TEXT, st.integers(0, 2**53 - 1))
def test_what_is_sealed_opens_and_shows_no_length_below_a_block(name: str, value: str, index: int) -> None:
    disclosure = disclose(name, value)
    sealed = seal_value(CIPHER, index, disclosure, *new_nonces(1))
    assert is_sealed_form(sealed)
    assert open_value(CIPHER, index, name, sealed) == disclosure
    assert opens(disclosure.digest, disclosure)
    assert seal_value(CIPHER, index, disclosure, *new_nonces(1)) != sealed, "a nonce is never used twice"
    assert read_plain(name, plain_value(disclosure)) == disclosure


def test_the_length_of_a_name_is_not_that_of_the_sealed_value() -> None:
    lengths = {len(seal_value(CIPHER, 0, disclose("owner", "x" * size), *new_nonces(1))) for size in range(40)}
    assert len(lengths) == 1


@given(TEXT, st.integers(0, 1000), st.data())
def test_a_changed_byte_another_entry_or_another_name_opens_nothing(
    value: str, index: int, data: st.DataObject
) -> None:
    sealed = seal_value(CIPHER, index, disclose("owner", value), *new_nonces(1))
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))
    assert open_value(CIPHER, index, "owner", bytes(changed)) is None
    assert open_value(CIPHER, index + 1, "owner", sealed) is None
    assert open_value(CIPHER, index, "actor", sealed) is None
    assert open_value(AESGCM(b"\1" * 32), index, "owner", sealed) is None
    assert open_value(CIPHER, index, "owner", sealed[: data.draw(st.integers(0, len(sealed) - 1))]) is None


@pytest.mark.parametrize("sealed", [None, 7, "text", b"", b"\0" * 91, b"\0" * 92, b"\xff" * 156])
def test_what_is_no_sealed_value_opens_nothing(sealed: object) -> None:
    assert open_value(CIPHER, 0, "owner", sealed) is None


@pytest.mark.parametrize("content", [None, 7, "salt\nvalue", b"", b"no line", b"\xff\nvalue"])
def test_what_is_no_plain_value_is_none(content: object) -> None:
    assert read_plain("owner", content) is None


def test_a_value_that_ends_in_zeros_keeps_them() -> None:
    disclosure = Disclosure("salt", "owner", "a\n\x80\x00\x00")
    assert open_value(CIPHER, 0, "owner", seal_value(CIPHER, 0, disclosure, *new_nonces(1))) == disclosure


def test_salts_have_128_bits_and_differ() -> None:
    assert SALT_BYTES == 16
    assert len({disclose("owner", "alice").digest for _ in range(1000)}) == 1000


@given(TEXT)
def test_a_person_has_one_name_for_each_key(value: str) -> None:
    subject = KEY.subject(value)
    assert len(subject) == 22
    assert subject == KEY.subject(f" {value.casefold()}")
    assert subject != generate_personal_key("log.example").subject(value)
    assert subject != PersonalKey("other.example", KEY.secret).subject(value)


def test_a_wrapped_key_opens_for_its_person_under_its_key_alone() -> None:
    wrapped = KEY.wrap("one", bytes(32))
    assert len(wrapped) == WRAPPED_BYTES
    assert KEY.unwrap("one", wrapped) == bytes(32)
    other = generate_personal_key("log.example")
    for key, subject, value, code in (
        (KEY, "two", wrapped, "personal-key-changed"),
        (KEY, "one", wrapped[:-1] + bytes([wrapped[-1] ^ 1]), "personal-key-changed"),
        (KEY, "one", wrapped[:-1], "personal-key-changed"),
        (KEY, "one", None, "personal-key-changed"),
        (KEY, "\udcff", wrapped, "personal-key-changed"),
        (other, "one", wrapped, "personal-key-other"),
        (PersonalKey("other.example", KEY.secret), "one", wrapped, "personal-key-other"),
    ):
        with pytest.raises(PersonalKeyError) as caught:
            key.unwrap(subject, value)
        assert caught.value.code == code


def test_salts_and_nonces_that_are_made_at_once_all_differ() -> None:
    made = [
        each for _ in range(50) for each in disclose_all([("owner", "alice"), ("actor", "alice"), ("owner", "bob")])
    ]
    assert len({each.salt for each in made}) == len(made)
    assert {len(each.salt) for each in made} == {22}
    assert disclose_all([]) == ()
    nonces = [each for _ in range(50) for each in new_nonces(3)]
    assert len(set(nonces)) == 150
    assert {len(each) for each in nonces} == {NONCE_BYTES}
