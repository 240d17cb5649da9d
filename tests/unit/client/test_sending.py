"""The body that is sent: the same values, and each line where the server's reader finds it."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.client.sending import body_of
from policy_engine.errors import Problem, Span
from policy_engine.loading.yaml_source import Document, load_yaml

SCALARS = (
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn", "Cf"])
TEXTS = st.text(LETTERS, max_size=8).map(lambda text: normalize("NFC", text))
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def document(value: Any) -> Document:
    return load_yaml(json.dumps(value, ensure_ascii=False), "w.yaml")[0]


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_every_line_is_a_place_of_the_file(values: list[Any]) -> None:
    documents = [document(each) for each in values]
    body = body_of(documents)
    assert json.loads(body.content) == values
    (read,) = load_yaml(body.content, "body")  # as the server reads it
    assert read.value == values
    items = read.items()
    assert items is not None
    found = set()
    for line, place in enumerate(body.places, 1):
        number, problem = body.placed(Problem("c", "m", Span("body", line, 1)), documents)
        if place is None:
            assert (number, problem.span) == (None, None)
            continue
        number, path = place
        value: Any = values[number]
        for step in path:
            value = value[step]
        if line == items[number].key_span(*path).line:
            found.add((number, path))
        assert problem.span == documents[number].key_span(*path)
    assert found == {place for place in body.places if place is not None}


@pytest.mark.parametrize("text", ["\\u2028", "\\u2029", "\\uFEFF", "\\U0001F600", "\\u202e", "\\n", '\\"'])
def test_what_a_file_escapes_is_read_as_the_same(text: str) -> None:
    (document,) = load_yaml(f'{{"a{text}b": "{text}"}}', "w.yaml")
    (read,) = load_yaml(body_of([document]).content, "body")
    assert read.value == [document.value]


@pytest.mark.parametrize("line", [-1, 0, 10_000])
def test_a_line_that_was_not_sent_is_no_place(line: int) -> None:
    documents = [document({"a": 1})]
    number, problem = body_of(documents).placed(Problem("c", "m", Span("body", line, 1), "h"), documents)
    assert (number, problem) == (None, Problem("c", "m", None, "h"))
