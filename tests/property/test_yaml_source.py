"""Any text ends in documents or in the error type; places point at the text; values survive the round trip."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.errors import InputError, RulesError
from policy_engine.loading import yaml_source
from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.loading.workload_file import LoadedWorkload, load_workload_documents
from policy_engine.loading.yaml_source import Document, load_documents, load_yaml

ROOT = Path(__file__).parents[2]
SHIPPED = read_vocabulary(ROOT / "rules")
EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples").glob("*.yaml"))]
YAMLISH = st.text(alphabet="ab01 \t\n\r:-?,[]{}#&*!|>'\"%@`~.<=x_\\\x00\x85\ufeff\u2028é😀\ud800", max_size=60)
MARKS = "a: |- |? |: |&x |*x |[|]|{|}|, |!!str |!x |'|#|<<: |1|0o7|.inf|~|\t|\n|>-\n|---\n|...\n|%YAML 1.2\n".split("|")
TOKENS = st.lists(st.sampled_from([*MARKS, '"', "|\n", "\\", "é"]), max_size=30).map("".join)
# What YAML prints as it is; the rest is refused, or written as an escape, which other tests cover.
# Short, since a key of more than 1,024 characters wants a `?` before it (YAML 1.2.2 section 7.4.3).
# what is not in normal form C is refused, by a test of its own
WORDS = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=100
).filter(lambda text: unicodedata.is_normalized("NFC", text))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS.filter(lambda w: w != "<<"), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: value is not None)


class _Quoting(yaml.SafeDumper):
    """PyYAML's dumper with every string in quotes: it resolves YAML 1.1, and aliases are not its to choose."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@settings(max_examples=400, deadline=None)
@given(st.text() | YAMLISH | TOKENS | st.binary() | YAMLISH.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_text_gives_documents_or_the_error_type(text: str | bytes) -> None:
    found = load_documents(text, "f.yaml", RulesError)
    assert found
    for each in found:
        if isinstance(each, Document):
            json.dumps(each.value, allow_nan=False).encode("utf-8")
        else:
            assert isinstance(each, RulesError)
            for problem in each.problems:
                assert problem.span is not None
                assert problem.span.line >= 1
                assert problem.span.column >= 1
                assert "\n" not in str(problem)


@settings(max_examples=200, deadline=None)
@given(YAMLISH | TOKENS)
def test_both_parsers_read_the_same_where_both_read(text: str) -> None:
    first = load_documents(text, "f.yaml")
    chosen, yaml_source._Loader = yaml_source._Loader, yaml.SafeLoader
    try:
        second = load_documents(text, "f.yaml")
    finally:
        yaml_source._Loader = chosen
    for one, two in zip(first, second, strict=False):
        if isinstance(one, Document) and isinstance(two, Document):
            assert one.value == two.value


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_values_survive_the_round_trip(value: Any) -> None:
    block = yaml.dump(value, allow_unicode=True, default_flow_style=False, Dumper=_Quoting)
    for text in (json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2), block):
        (document,) = load_yaml(text, "f.yaml")
        assert document.value == value


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_places_point_at_the_text(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (document,) = load_yaml(text, "f.yaml")
    lines = text.split("\n")

    def check(part: Any, path: tuple[str | int, ...]) -> None:
        span = document.span(*path)
        rest = "\n".join([lines[span.line - 1][span.column - 1 :], *lines[span.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == part
        items: Any = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for step, child in items:
            if isinstance(step, str):
                key = document.key_span(*path, step)
                assert lines[key.line - 1][key.column - 1 :].startswith(json.dumps(step, ensure_ascii=False))
            check(child, (*path, step))

    check(value, ())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_workload_is_loaded_or_reported(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 40))
    damaged = text[:at] + data.draw(YAMLISH) + text[at + cut :]
    for each in load_workload_documents(damaged, "w.yaml", SHIPPED):
        assert isinstance(each, (LoadedWorkload, InputError))
        if isinstance(each, InputError):
            assert all(problem.span and "\n" not in str(problem) for problem in each.problems)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_any_place_is_loaded_or_reported(data: st.DataObject) -> None:
    (document,) = load_yaml(data.draw(st.sampled_from(EXAMPLES)), "w.yaml")
    value = document.value
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        step = data.draw(st.sampled_from(keys))
        if isinstance(place[step], (dict, list)) and place[step] and data.draw(st.booleans()):
            place = place[step]
            continue
        place[step] = data.draw(VALUES | st.none())
        break
    for each in load_workload_documents(json.dumps(value), "w.yaml", SHIPPED):
        assert isinstance(each, (LoadedWorkload, InputError))
        if isinstance(each, InputError):
            assert all(problem.span and "\n" not in str(problem) for problem in each.problems)
