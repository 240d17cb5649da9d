"""Change one value of a YAML text: what else stands in it stays, to the byte."""

from __future__ import annotations

import difflib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_engine.errors import InputError
from policy_engine.loading.yaml_edit import flow, set_value, with_value
from policy_engine.loading.yaml_source import load_yaml

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize(
    ("text", "path", "value", "edited"),
    [
        # a value that is there
        ("a: null # why\nb: 1\n", ["a"], True, "a: true # why\nb: 1\n"),
        ("a: # why\nb: 1", ["a"], True, "a: true # why\nb: 1"),
        ("a:\nb: 1", ["a"], "x", "a: x\nb: 1"),
        ("a: ~\n", ["a"], "no: it", 'a: "no: it"\n'),
        ("a: 'it''s'  # k\n", ["a"], 2, "a: 2  # k\n"),
        ("a: [x, y] # k\n", ["a"], ["z"], "a: [z] # k\n"),
        ("a:\n  - x\n  - y\nb: 2\n", ["a"], ["z"], "a: [z]\nb: 2\n"),
        ("a: one\n  two\nb: 2\n", ["a"], "x", "a: x\nb: 2\n"),
        ("- a: null\n  b: 1\n- a: null\n", [1, "a"], 3.5, "- a: null\n  b: 1\n- a: 3.5\n"),
        # a key that is not there
        ("a:\n  b: 1 # x\n  # y\nc: 2\n", ["a", "d"], [1], "a:\n  b: 1 # x\n  d: [1]\n  # y\nc: 2\n"),
        ("a: 1", ["b"], 2, "a: 1\nb: 2"),
        ("a: |\n  text\n", ["b"], 1, "a: |\n  text\nb: 1\n"),
        ("t:\n- n: 1\n- n: 2\n  k: 3\n", ["t", 1, "b"], True, "t:\n- n: 1\n- n: 2\n  k: 3\n  b: true\n"),
        ("a: {b: 1} # k\n", ["a", "c"], "x", "a: {b: 1, c: x} # k\n"),
        ("a: {}\n", ["a", "b"], 2, "a: {b: 2}\n"),
        ("a: {b: 1,\n    c: 2 # k\n   }\n", ["a", "d"], 3, "a: {b: 1,\n    c: 2, d: 3 # k\n   }\n"),
        # mappings on the way
        ("a:\nb: 1\n", ["a", "c"], "x", "a: {c: x}\nb: 1\n"),
        ("a: null # k\n", ["a", "b", "c"], 1, "a: {b: {c: 1}} # k\n"),
        ("a:\n  b: 1\n", ["c", "d"], 1, "a:\n  b: 1\nc:\n  d: 1\n"),
        # JSON stays JSON
        ('{"a": {"b": null}}', ["a", "b"], "x", '{"a": {"b": "x"}}'),
        ('{"a": {"b": null}}', ["a", "c"], ["x"], '{"a": {"b": null, "c": ["x"]}}'),
        # line ends, byte-order mark
        ("a:\r\n  b: 1\r\nc: 2\r\n", ["a", "d"], 1, "a:\r\n  b: 1\r\n  d: 1\r\nc: 2\r\n"),
        ("\ufeffa: 1\n", ["b"], 2, "\ufeffa: 1\nb: 2\n"),
    ],
)
def test_edits(text: str, path: list[str | int], value: Any, edited: str) -> None:
    assert set_value(text, "f", 0, tuple(path), value) == edited


def test_the_other_documents_stay() -> None:
    text = "a: null\n---\n# second\na: null # k\n...\n---\na: 3\n"
    assert set_value(text, "f", 1, ("a",), "x") == "a: null\n---\n# second\na: x # k\n...\n---\na: 3\n"


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a: &x null\nb: *x\n", ["b"], "2:4"),
        ("a: &x null\nb: *x\n", ["a"], "1:4"),
        ("a: &x {k: 1}\nb: *x\n", ["b", "k"], "1:11"),
        ("a:\n  - x # why\n  - y\n", ["a"], "2:3"),
        ("a: [x, # why\n y]\n", ["a"], "1:4"),
        ("a: |\n  text\n", ["a"], "1:4"),
        ("a: none\n", ["a", "b"], "1:4"),
        ("a: [1]\n", ["a", 4], "1:4"),
        ("a: [1]\n", ["a", "b"], "1:4"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_place(text: str, path: list[str | int], place: str) -> None:
    with pytest.raises(InputError) as caught:
        set_value(text, "f", 0, tuple(path), 9)
    assert str(caught.value.span) == f"f:{place}"
    assert caught.value.code == "yaml-edit"
    assert caught.value.help == "write it in by hand"


def test_a_text_that_does_not_load_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        set_value("a: 1\na: 2\n", "f", 0, ("a",), 1)
    assert caught.value.code == "yaml-duplicate-key"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
    | st.sampled_from(["no", "null", "1e5", "0o17", "- a", "a: b", "x #y", "'", '"', "*a", "&a", "!t", "<<", "[", "%"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of the scalars and of the mappings' keys that are not there."""
    if isinstance(value, dict):
        below = [each for key, child in value.items() for each in leaves(child, (*path, key))]
        return [*below, (*path, "new-key"), (*path, "new", "deep")]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [each for place, child in enumerate(value) for each in leaves(child, (*path, place))]
    return [path]


def composed(value: Any) -> Any:
    """Return a value as it is loaded: text in NFC."""
    if isinstance(value, list):
        return [composed(each) for each in value]
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_anywhere_in_the_examples(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(EXAMPLES))
    text = file.read_text(encoding="utf-8")
    before = load_yaml(text, "f")[0].value
    path = data.draw(st.sampled_from(leaves(before)))
    value = data.draw(VALUES)
    edited = set_value(text, "f", 0, path, value)
    assert load_yaml(edited, "f")[0].value == with_value(before, path, composed(value))
    changed = [line for line in difflib.ndiff(text.splitlines(), edited.splitlines()) if line[0] in "+-"]
    assert sum(line[0] == "-" for line in changed) <= 1
    assert sum(line[0] == "+" for line in changed) <= 2
    comments = [line.partition(" # ")[2] for line in text.splitlines() if " # " in line]
    assert [each for each in comments if each not in edited] == []


@pytest.mark.parametrize("value", ["e\u0301", "\ufb2a", ["e\u0301"], {"e\u0301": "\u1100\u1161"}])
def test_text_that_is_not_composed_is_put_in_composed(value: Any) -> None:
    edited = set_value("a: 1  # one\n", "f", 0, ("a",), value)
    assert unicodedata.is_normalized("NFC", edited)
    assert edited.endswith("  # one\n")


def test_flow_is_read_back() -> None:
    value = {"a": [1, 2.5, None, True, "x", "true", "1"], "b": {"c": "d e"}}
    assert load_yaml(flow(value), "f")[0].value == value
    assert flow(value, quoted=True).startswith('{"a": [1, 2.5, null, true, "x"')
