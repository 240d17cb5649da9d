"""YAML 1.2's core schema, places, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.errors import InputError, RulesError, Span
from policy_engine.loading import yaml_source
from policy_engine.loading.yaml_source import Document, load_documents, load_yaml, read_yaml


def value(text: str | bytes) -> Any:
    (document,) = load_yaml(text, "f.yaml")
    return document.value


def refusal(text: str | bytes) -> tuple[str, int, int]:
    """Return the code and place of the first problem of a text that must be refused."""
    with pytest.raises(InputError) as caught:
        load_yaml(text, "f.yaml")
    span = caught.value.problems[0].span
    assert span is not None
    return caught.value.problems[0].code, span.line, span.column


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, None) for word in ("null", "Null", "NULL", "~", "")],
        *[(word, word) for word in ("yes", "no", "on", "off", "y", "n", "nULL", "tRUE", "2027-06-30", "1_000")],
        *[(word, word) for word in ("1:30", "0b11", "0o8", "0xg", "1e", "+", "-+", ".", "1.2.3", "- x"[2:], "=")],
        ("0", 0), ("-0", 0), ("007", 7), ("+12", 12), ("-3", -3), ("0o17", 15), ("0x1F", 31),
        ("9007199254740991", 2**53 - 1),
        ("1.", 1.0), (".5", 0.5), ("-1.5e3", -1500.0), ("1e3", 1000.0), ("1E-2", 0.01), ("0e0", 0.0),
        ('"true"', "true"), ("'12'", "12"), ('"a\\nb"', "a\nb"), ('"\\u00e9"', "é"), ('"\\x09"', "\t"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, expected: Any) -> None:
    found = value(f"key: {text}\n")["key"]
    assert found == expected
    assert type(found) is type(expected)


def test_minus_zero_is_zero() -> None:
    assert str(value("-0.0")) == "0.0"


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("", "yaml-empty", 1, 1),
        ("# only a comment\n", "yaml-empty", 1, 1),
        ("null", "yaml-empty", 1, 1),
        ("a: 1\n---\n", "yaml-empty", 3, 1),
        ("a: 1\nb: 2\na: 3", "yaml-duplicate-key", 3, 1),
        ("{a: 1, a: 2}", "yaml-duplicate-key", 1, 8),
        ("1: a", "yaml-key", 1, 1),
        ("true: a", "yaml-key", 1, 1),
        ("~: a", "yaml-key", 1, 1),
        (": a", "yaml-syntax", 1, 1),
        ("? [a]\n: b", "yaml-key", 1, 3),
        ("&x a: 1\n*x : 2", "yaml-key", 2, 1),
        ("<<: {a: 1}", "yaml-merge-key", 1, 1),
        ("a: !!str b", "yaml-tag", 1, 4),
        ("a: !foo b", "yaml-tag", 1, 4),
        ("a: ! b", "yaml-tag", 1, 4),
        ("!!map {a: 1}", "yaml-tag", 1, 1),
        ("!!set {a}", "yaml-tag", 1, 1),
        ("!!python/object/apply:os.system [id]", "yaml-tag", 1, 1),
        ("a: &x [*x]", "yaml-alias", 1, 8),
        ("a: *x", "yaml-alias", 1, 4),
        ("a: .inf", "yaml-not-finite", 1, 4),
        ("a: -.INF", "yaml-not-finite", 1, 4),
        ("a: .NaN", "yaml-not-finite", 1, 4),
        ("a: 1e999", "yaml-not-finite", 1, 4),
        ("a: 1e-999", "yaml-not-finite", 1, 4),
        ("a: 9007199254740992", "yaml-integer-too-large", 1, 4),
        ("a: -0x0", "", 0, 0),
        ("a: 0xffffffffffffffffffffff", "yaml-integer-too-large", 1, 4),
        ("a: " + "9" * 5000, "yaml-integer-too-large", 1, 4),
        ("[" * 65 + "]" * 65, "yaml-too-deep", 1, 65),
        ("a: " + "x" * 16_001, "yaml-string-too-long", 1, 4),
        ("? " + "x" * 16_001 + "\n: a", "yaml-string-too-long", 1, 3),
        ("é: \x00", "yaml-control-character", 1, 4),
        ("a: 1\r\nb: \x1b", "yaml-control-character", 2, 4),
        ("a: \u2028", "yaml-control-character", 1, 4),
        ("a: \x85", "yaml-control-character", 1, 4),
        ("a: \ufeff", "yaml-control-character", 1, 4),
        ("a: \ud800", "yaml-control-character", 1, 4),
        ('a: "\\0"', "yaml-control-character", 1, 4),
        ("a:\n\tb: 1", "yaml-syntax", 2, 1),
        ("a: b: c", "yaml-syntax", 1, 5),
        ("a: [1, 2", "yaml-syntax", 1, 4),
        ("a: {b: 1", "yaml-syntax", 1, 4),
        ("a: 'b", "yaml-syntax", 1, 4),
        ("a: 1\nb", "yaml-syntax", 2, 1),
        ("é: @x", "yaml-syntax", 1, 4),
        ("[1]\n[2]", "yaml-syntax", 2, 1),
        ("%YAML 3.0\n---\na", "yaml-syntax", 1, 1),
        (b"a: 1\nb: \xff", "yaml-encoding", 2, 4),
        (b"\xc3", "yaml-encoding", 1, 1),
        ("a: 1".encode("utf-16"), "yaml-encoding", 1, 1),
        (b"a: " + b" " * 1024 * 1024, "yaml-file-too-large", 1, 1),
    ],
    ids=lambda part: repr(part)[:40],
)  # fmt: skip
def test_what_is_refused_says_where(text: str | bytes, code: str, line: int, column: int) -> None:
    if code:
        assert refusal(text) == (code, line, column)
    else:
        assert isinstance(value(text), dict)


def test_both_places_of_a_repeated_key_are_named() -> None:
    (found,) = load_documents("a: 1\nb: 2\na: 3", "f.yaml")
    assert str(found) == (
        "f.yaml:3:1: the key `a` stands here again; first at line 1, column 1 (help: remove one of them)"
    )


def test_all_problems_of_all_documents_come_at_once() -> None:
    with pytest.raises(RulesError) as caught:
        load_yaml("a: !x 1\na: .nan\n---\nb: 1\n---\n1: 2\n", "f.yaml", RulesError)
    assert [problem.code for problem in caught.value.problems] == [
        "yaml-tag",
        "yaml-duplicate-key",
        "yaml-not-finite",
        "yaml-key",
    ]


def test_a_flood_of_problems_is_cut() -> None:
    with pytest.raises(InputError) as caught:
        load_yaml("[" + "!x 1, " * 50_000 + "]", "f.yaml")
    assert len(caught.value.problems) == 101


def test_documents_before_a_syntax_error_are_kept() -> None:
    found = load_documents("a: 1\n---\nb: [\n", "f.yaml")
    assert [type(each) for each in found] == [Document, InputError]


def test_byte_order_mark_and_line_ends() -> None:
    (document,) = load_yaml(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: \xc3\xa9\r\n", "f.yaml")
    assert document.value == {"a": 1, "b": {"c": "é"}}
    assert document.span("b", "c") == Span("f.yaml", 3, 6)


def test_places_of_values_and_keys() -> None:
    text = "a: 1\nb:\n  - x\n  - {c: [1, 2], d: |\n      text\n  }\n".replace("d: |\n      text\n  }", "d: e}")
    (document,) = load_yaml(text, "f.yaml")
    assert document.span() == Span("f.yaml", 1, 1)
    assert document.span("b", 0) == Span("f.yaml", 3, 5)
    assert document.span("b", 1, "c", 1) == Span("f.yaml", 4, 13)
    assert document.key_span("b", 1, "d") == Span("f.yaml", 4, 17)
    assert document.key_span("b") == Span("f.yaml", 2, 1)
    # Where nothing stands, the nearest ancestor.
    assert document.span("b", 7, "x") == document.span("b")
    assert document.key_span("b", 1, "zz") == document.span("b", 1)
    assert document.key_span("zz", "y") == document.span()


def test_an_alias_repeats_the_value_and_stands_where_it_is_used() -> None:
    (document,) = load_yaml("a: &x {k: 1}\nb: *x\nc: [*x, *x]\nd: &x 2\ne: *x\n", "f.yaml")
    assert document.value == {"a": {"k": 1}, "b": {"k": 1}, "c": [{"k": 1}, {"k": 1}], "d": 2, "e": 2}
    assert document.span("b") == Span("f.yaml", 2, 4)
    assert document.span("b", "k") == Span("f.yaml", 1, 11)


def _laughs(levels: int, width: int) -> str:
    lines = ["a0: &a0 [" + ", ".join(["x"] * width) + "]"]
    more = [f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * width) + "]" for level in range(1, levels)]
    return "\n".join(lines + more)


def test_aliases_that_multiply_are_bounded() -> None:
    assert len(value(_laughs(3, 10))) == 3
    assert refusal(_laughs(30, 10))[0] == "yaml-alias"
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80))
    assert refusal(chain)[0] == "yaml-too-deep"
    assert refusal("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40)[0] == "yaml-too-deep"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 500_000,
        "? " * 500_000,
        "&a " * 300_000,
        "a: [" + "x, " * 300_000,
        '"' + "\\" * 500_000,
        "%TAG ! x\n" * 100_000,
        "---\n" * 200_000,
        "*a " * 300_000,
        "!" * 1_000_000,
        "a" * 1_000_000,
        "'" * 1_000_000,
        "a:\n " * 200_000,
        "".join(" " * (n % 60) + "a:\n" for n in range(20_000)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_ends_in_a_refusal(text: str) -> None:
    assert any(isinstance(each, InputError) for each in load_documents(text, "f.yaml"))


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 500_000])
def test_nesting_too_deep_ends_the_parsing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse, events = yaml.parse, 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal events
        for event in parse(*arguments, **options):
            events += 1
            yield event

    monkeypatch.setattr(yaml, "parse", counted)
    load_documents(text, "f.yaml")
    assert events < 200


def test_files_are_read_by_path(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    assert read_yaml(path)[0].span("a") == Span(str(path), 1, 4)
    for wrong in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(RulesError) as caught:
            read_yaml(wrong, RulesError)
        assert caught.value.code == "file-unreadable"


def test_without_libyaml_the_same_is_read_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a: [1, {b: no}]\n", "a: 1\na: 2", "a: [1", "a: 'b", "a:\n\tb: 1", "a: @b", "a: 1\n b: 2", "a: *b"]
    with_libyaml = [[str(each) for each in load_documents(text, "f.yaml")] for text in texts]
    monkeypatch.setattr(yaml_source, "_Loader", yaml.SafeLoader)
    without = [[str(each) for each in load_documents(text, "f.yaml")] for text in texts]
    assert without == with_libyaml
