"""Signed notes, against the published example of Go's `note` package and against malformed ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.errors import SigningKeyError, VerificationError
from policy_audit.keys import generate_signer, is_key_name, parse_signer_key, parse_verifier_key
from policy_audit.note import check_characters, open_note, sign_note

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)


def test_signing_gives_the_published_note() -> None:
    signer = parse_signer_key(PETER_SIGNER)
    assert signer.verifier_key == PETER
    assert signer.signer_key == PETER_SIGNER
    assert sign_note(TEXT, signer) == f"{TEXT}\n{PETER_LINE}"


def test_opening_names_the_keys_that_signed() -> None:
    note = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}"
    assert open_note(note, [PETER]) == (TEXT, ["PeterNeumann"])
    assert open_note(note, [ENOCH, PETER]) == (TEXT, ["PeterNeumann", "EnochRoot"])


def test_the_text_may_have_empty_lines_and_ends_at_the_last_one() -> None:
    signer = generate_signer("key")
    text = "a\n\n— not a signature\n\nb\n"
    assert open_note(sign_note(text, signer), [signer.verifier_key]) == (text, ["key"])


def test_sixteen_signatures_are_accepted_and_more_than_a_hundred_are_not() -> None:
    signers = [generate_signer(f"key{number}") for number in range(16)]
    note = sign_note("text\n", *signers)
    assert len(open_note(note, [signer.verifier_key for signer in signers])[1]) == 16
    with pytest.raises(VerificationError, match="more than 100"):
        open_note(f"{TEXT}\n{PETER_LINE * 101}", [PETER])


def test_a_known_keys_bad_signature_rejects_the_note_even_beside_a_good_one() -> None:
    other = sign_note("other\n", parse_signer_key(PETER_SIGNER)).partition("\n\n")[2]
    with pytest.raises(VerificationError, match="bad"):
        open_note(f"{TEXT}\n{PETER_LINE}{other}", [PETER])
    with pytest.raises(VerificationError, match="bad"):
        open_note(f"{TEXT}\n{ENOCH_LINE}{PETER_LINE[:60]}ABCD{PETER_LINE[60:]}", [PETER, ENOCH])


def test_name_and_id_must_both_match() -> None:
    mine, same_name, same_id = generate_signer("key"), generate_signer("key"), parse_signer_key(PETER_SIGNER)
    note = sign_note("text\n", same_name)
    with pytest.raises(VerificationError, match="known key"):
        open_note(note, [mine.verifier_key])
    renamed = sign_note("text\n", same_id).replace("— PeterNeumann", "— PaulNeumann")
    with pytest.raises(VerificationError, match="known key"):
        open_note(renamed, [PETER])


def test_no_known_signature_is_an_error() -> None:
    for keys in ([], [ENOCH]):
        with pytest.raises(VerificationError) as caught:
            open_note(f"{TEXT}\n{PETER_LINE}", keys)
        assert caught.value.code == "no-known-signature"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{PETER_LINE[:-1]}",
        f"{TEXT}{PETER_LINE}",
        f"\x01{TEXT}\n{PETER_LINE}",
        f"{TEXT}\r\n\r\n{PETER_LINE}",
        f"\ud800{TEXT}\n{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE}\n",
        f"{TEXT}\n{PETER_LINE}Unexpected line.\n",
        f"{TEXT}\n{PETER_LINE.replace('—', '-')}",
        f"{TEXT}\n{PETER_LINE.replace('Peter', 'Peter ')}",
        f"{TEXT}\n{PETER_LINE.replace('Peter', 'Pe+ter')}",
        f"{TEXT}\n{PETER_LINE.replace('Peter', 'Pe' + chr(0xA0) + 'ter')}",
        f"{TEXT}\n{PETER_LINE.replace('AM=', 'AN=')}",
        f"{TEXT}\n{PETER_LINE.replace('AM=', 'AM')}",
        f"{TEXT}\n{PETER_LINE.replace('AM=', 'AM= ')}",
        f"{TEXT}\n— PeterNeumann x08gow==\n",
        f"{TEXT}\n— PeterNeumann\n",
        f"{TEXT}\n—  x08go/ZJ\n",
        "x" * 1_000_001 + f"\n\n{PETER_LINE}",
    ],
    ids=lambda note: repr(note[-50:]),
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(VerificationError):
        open_note(note, [PETER])


def test_texts_that_cannot_be_signed() -> None:
    signer = generate_signer()
    for text in ("", "no newline", "tab\t\n", "\ud800\n"):
        with pytest.raises(VerificationError):
            sign_note(text, signer)


def test_every_part_and_every_change_of_a_verifier_key_is_refused() -> None:
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                with pytest.raises(VerificationError):
                    parse_verifier_key(PETER[start:end])
    for place, char in enumerate(PETER):
        with pytest.raises(VerificationError):
            parse_verifier_key(PETER[:place] + chr(ord(char) + 1) + PETER[place + 1 :])


@pytest.mark.parametrize(
    "key",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.upper(),
        PETER + "\n",
        f"{'x' * 2000}+c74f20a3+AR",
    ],
)
def test_keys_of_another_length_or_type_are_refused(key: str) -> None:
    with pytest.raises(VerificationError):
        parse_verifier_key(key)


def test_two_different_keys_of_one_name_and_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_audit.keys.key_id", lambda *_: b"same")
    keys = [generate_signer("key").verifier_key for _ in range(2)]
    with pytest.raises(VerificationError, match="two different"):
        open_note("text\n\n— key c2FtZTE=\n", keys)


def test_a_malformed_signing_key_is_refused_without_showing_it() -> None:
    for text in (PETER_SIGNER[:-4], PETER_SIGNER.replace("c74f", "c74e"), PETER, "", PETER_SIGNER[:-4] + "AAAA"):
        with pytest.raises(SigningKeyError) as caught:
            parse_signer_key(text)
        assert "AYEKFALV" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "x" * 256, "\ud800"])
def test_names_that_a_key_cannot_have(name: str) -> None:
    with pytest.raises(SigningKeyError):
        parse_signer_key("PRIVATE+KEY+" + name + PETER_SIGNER.removeprefix("PRIVATE+KEY+PeterNeumann"))


def test_generated_keys_differ_and_carry_the_origin() -> None:
    first, second = generate_signer(), generate_signer()
    assert first.name.startswith("policy-ledger.local/")
    assert first.name != second.name
    assert "PRIVATE" not in repr(first)


@given(st.text(st.characters(codec=None), max_size=12))
def test_which_characters_a_text_and_a_name_may_have(text: str) -> None:
    encodable = not any("\ud800" <= char <= "\udfff" for char in text)
    good = encodable and not any(char < " " and char != "\n" for char in text)
    if good:
        check_characters(text)
    else:
        with pytest.raises(VerificationError):
            check_characters(text)
    named = bool(text) and encodable and not any(char.isspace() or char < " " or char == "+" for char in text)
    assert is_key_name(text) == named
