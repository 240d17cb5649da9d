"""JSON means what RFC 8259 says, is the same as YAML of the same value, and what is wrong has its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.errors import InputError
from policy_engine.loading.json_source import load_json
from policy_engine.loading.workload_file import load_document
from policy_engine.loading.yaml_scalars import Refusal, resolve_plain
from policy_engine.loading.yaml_source import Document, load_yaml
from policy_engine.model.vocabulary import Vocabulary
from tests.serving import WORKLOAD

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Mn", "Mc")), max_size=12).filter(
    lambda text: text.isascii() or (json.loads(json.dumps(text)) == text and _is_normal(text))
)
_NUMBERS = st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_FORMS = [(escaped, indent) for escaped in (True, False) for indent in (None, 2)]


def _is_normal(text: str) -> bool:
    import unicodedata

    return unicodedata.is_normalized("NFC", text)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(found for key, each in inner for found in _paths(each, (*path, key)))]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_TEXT, _VALUES, max_size=4), st.sampled_from(_FORMS))
def test_json_is_its_value_and_each_place_is_where_the_value_begins(value: Any, form: tuple[bool, int | None]) -> None:
    text = json.dumps(value, ensure_ascii=form[0], indent=form[1])
    document = load_json(text.encode(), "body")
    assert isinstance(document, Document)
    assert document.value == value
    lines = text.split("\n")
    reader = json.JSONDecoder()
    for path, part in _paths(value):
        span = document.span(*path)
        rest = "\n".join([lines[span.line - 1][span.column - 1 :], *lines[span.line :]])
        assert reader.raw_decode(rest)[0] == part
        if path and isinstance(path[-1], str):
            key = document.key_span(*path)
            assert reader.raw_decode(lines[key.line - 1][key.column - 1 :])[0] == path[-1]


@settings(max_examples=40, deadline=None)
@given(_TEXT, st.lists(_TEXT, max_size=2), st.sampled_from(_FORMS))
def test_a_workload_is_the_same_as_json_and_as_yaml(
    owner: str, names: list[str], form: tuple[bool, int | None]
) -> None:
    spec = {**WORKLOAD["spec"], "data": {"regulations": names}}
    value = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "owner": owner}, "spec": spec}
    (document,) = load_yaml(yaml.safe_dump(value, allow_unicode=False).encode(), "body")
    found = load_json(json.dumps(value, ensure_ascii=form[0], indent=form[1]).encode(), "body")
    assert isinstance(found, Document)
    one, other = (load_document(each, 0, Vocabulary({})) for each in (document, found))
    if isinstance(one, InputError):
        assert isinstance(other, InputError)
        assert [(each.code, each.message) for each in one.problems] == [
            (each.code, each.message) for each in other.problems
        ]
    else:
        assert not isinstance(other, InputError)
        assert one.workload == other.workload


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,4})?", fullmatch=True))
def test_a_number_is_read_as_in_yaml_and_refused_as_there(text: str) -> None:
    wanted, found = resolve_plain(text), load_json(f'{{"a": {text}}}'.encode(), "body")
    if isinstance(wanted, Refusal):
        assert isinstance(found, InputError)
        assert [each.code for each in found.problems] == [wanted.code]
    else:
        assert isinstance(found, Document)
        assert repr(found.value) == repr({"a": wanted})  # of 0 the sign as well, and whether it is a whole number


def test_a_list_is_its_items_each_in_its_place() -> None:
    found = load_json(b'[ {"a": 1},\n {"b": [true]}]', "body")
    assert isinstance(found, list)
    documents = [each for each in found if isinstance(each, Document)]
    assert [each.value for each in documents] == [{"a": 1}, {"b": [True]}]
    assert [str(each.span()) for each in documents] == ["body:1:3", "body:2:2"]
    assert str(documents[1].span("b", 0)) == "body:2:9"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"", "json-syntax", "1:1"),
        (b'# a comment\n{"a": 1}', "json-syntax", "1:1"),
        (b"{'a': 1}", "json-syntax", "1:2"),
        (b'{"a": plain}', "json-syntax", "1:7"),
        (b'{"a": 1,}', "json-syntax", "1:"),
        (b'{"a": 01}', "json-syntax", "1:8"),
        (b'{"a": .5}', "json-syntax", "1:7"),
        (b'{"a": NaN}', "json-syntax", "1:7"),
        (b'{"a": [1, -Infinity]}', "json-syntax", "1:11"),
        (b'{"a": "\t"}', "json-syntax", "1:8"),
        (b'{"a": "\\x41"}', "json-syntax", "1:"),
        (b"{} {}", "json-syntax", "1:4"),
        ('{"\U0001f600":\r\n "\u00e9", x}'.encode(), "json-syntax", "2:7"),
        (b'{"a": 1,\n "\\u0061": 2}', "yaml-duplicate-key", "2:2"),
        (b'{"a": "\\ud83d"}', "yaml-surrogate", "1:7"),
        (b'{"a": "\\u0000"}', "yaml-control-character", "1:7"),
        (b'{"a": "\x7f"}', "yaml-control-character", "1:7"),
        (b'{"a": 1e999}', "yaml-not-finite", "1:7"),
        (b'{"a": 9007199254740993}', "yaml-integer-too-large", "1:7"),
        (b'{"a": 1' + b"0" * 4300 + b"}", "yaml-integer-too-large", "1:7"),
        (b"[" * 65 + b"]" * 65, "yaml-too-deep", "1:65"),
        (b"[" * 200_000, "yaml-too-deep", "1:65"),
        (b'{"a": "' + b"x" * 16_001 + b'"}', "yaml-string-too-long", "1:7"),
        (b"null", "yaml-empty", "1:1"),
        (b'{"a": "\xff"}', "yaml-encoding", "1:8"),
    ],
)
def test_what_is_no_json_or_no_value_is_refused_in_its_place(text: bytes, code: str, place: str) -> None:
    found = load_json(text, "body")
    assert isinstance(found, InputError)
    assert found.code == code
    assert str(found.problems[0].span).startswith(f"body:{place}")


def test_what_json_says_and_yaml_does_not_is_read() -> None:
    found = load_json(b'\xef\xbb\xbf\t{\t"a":\t"\\ud83d\\ude00\\/", "b": "\xe2\x80\xa8", "<<": -0.0}\r\n', "body")
    assert isinstance(found, Document)
    assert found.value == {"a": "\U0001f600/", "b": "\u2028", "<<": 0}
