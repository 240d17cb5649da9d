"""Every line that is wrong is named with its place, of all files at once; and what a schema refuses."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import InputError
from policy_engine.parity.reading import Problems, read_answers, read_golden
from policy_engine.parity.schemas import read_schema

GOOD = b'{"id": 1, "input": "x", "expected": "a"}\n{"id": "two", "expected": "b", "task": "t", "meta": {"by": "me"}}\n'


def write(folder: Path, name: str, content: bytes | Sequence[Any]) -> Path:
    path = folder / name
    path.write_bytes(
        content if isinstance(content, bytes) else b"".join(json.dumps(each).encode() + b"\n" for each in content)
    )
    return path


def told(problems: Problems) -> list[str]:
    with pytest.raises(InputError) as caught:
        problems.raise_any()
    return [f"{each.span.line if each.span else '-'}: {each.message}" for each in caught.value.problems]


@pytest.mark.parametrize(
    "content", [GOOD, b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"), b"\n\n" + GOOD.rstrip() + b"\n \n"]
)
def test_lines_are_read_whatever_their_breaks(tmp_path: Path, content: bytes) -> None:
    problems = Problems()
    found = read_golden(write(tmp_path, "g.jsonl", content), problems)
    problems.raise_any()
    assert [(each.id, each.expected, each.task) for each in found.examples.values()] == [
        ("1", "a", None),
        ("two", "b", "t"),
    ]
    assert found.sha256 == hashlib.sha256(content).hexdigest()


LINES: dict[bytes, str] = {
    b'{"id": 1, "expected": "a"': "it is no JSON: expecting ',' delimiter",
    b"[]": "it is no object",
    b'{"id": 1}': "it does not say what is `expected`",
    b'{"id": 1, "expected": null}': "it does not say what is `expected`",
    b'{"expected": "a"}': "its `id` is neither a text nor a whole number",
    b'{"id": true, "expected": "a"}': "its `id` is neither",
    b'{"id": 1.0, "expected": "a"}': "its `id` is neither",
    b'{"id": "two", "expected": "a"}': "the id `two` is that of line 2 too",
    b'{"id": 1, "id": 2, "expected": "a"}': "the key `id` stands there twice",
    b'{"id": 1, "expcted": "a"}': "unknown key `expcted`; did you mean `expected`?",
    b'{"id": 1, "expected": "a", "task": ""}': "its `task` is no name",
    b'{"id": 1, "expected": NaN}': "`NaN` is no number of JSON",
    b'{"id": 1, "expected": 1e999}': "the number `1e999` is too large",
    b'{"id": 1, "expected": ' + b"9" * 5000 + b"}": "a number has more than 400 digits",
    b'{"id": 1, "expected": "\\ud800"}': "it holds half of a character",
    b'{"id": 1, "expected": ' + b"[" * 99999: "it is nested too deep",
    b'{"id": 1, "expected": "\xff"}': "it is not UTF-8 at byte 24",
    b'{"id": 1, "expected": "\x00"}': "it holds a NUL",
    b"x" * (1 << 21): "the line has more than 1,048,576 bytes",
}


def test_every_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    problems = Problems()
    first = GOOD.splitlines()[0]
    content = b"\n".join([first.replace(b"1", b"7"), b'{"id": "two", "expected": "b"}', *LINES])
    golden = read_golden(write(tmp_path, "g.jsonl", content), problems)
    read_answers("m", write(tmp_path, "a.jsonl", [{"id": 99, "answer": 1}]), golden, problems)
    found = told(problems)
    assert len(found) == len(LINES) + 1
    for number, (line, why) in enumerate(zip(found, LINES.values(), strict=False), 3):
        assert line.startswith(f"{number}: {why}"), line
    assert found[-1] == "1: its `answer` is no text: give it as the model did, JSON too", "and no guess about its id"


def test_answers_are_of_the_examples_and_of_each(tmp_path: Path) -> None:
    problems = Problems()
    golden = read_golden(write(tmp_path, "g.jsonl", [{"id": n, "expected": "a"} for n in range(60)]), problems)
    wrong = [
        {"id": 0, "answer": "a"},
        {"id": "0", "answer": "a"},
        {"id": 60, "answer": "a"},
        {"id": 1, "answer": "a", "usd": "1"},
        {"id": 2, "answer": "a", "latency_ms": -1},
        {"id": 3, "answer": "a", "latency": 1},
    ]
    read_answers("m", write(tmp_path, "a.jsonl", wrong), golden, problems)
    read_answers("m", write(tmp_path, "b.jsonl", [{"id": n, "answer": ""} for n in range(35)]), golden, problems)
    read_answers("m", write(tmp_path, "c.jsonl", b""), golden, problems)
    found = told(problems)
    assert found[:5] == [
        "2: the id `0` is that of line 1 too",
        "3: no example of the golden dataset has the id `60`",
        "4: its `usd` is no number from 0 to 1,000,000,000",
        "5: its `latency_ms` is no number from 0 to 1,000,000,000",
        "6: unknown key `latency`; did you mean `latency_ms`?",
    ]
    assert found[5].startswith("1: no answer for the id `35`, line 36 of ")
    assert (len(found), found[25][:2], "has 5 more problems" in found[-1]) == (27, "1:", True)
    assert "1: it has no answer" in found


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    for place, why in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "is no regular file"),
        (Path("/dev/zero"), "is no"),
    ):
        problems = Problems()
        read_golden(place, problems)
        assert why in told(problems)[0]
    problems = Problems()
    read_golden(write(tmp_path, "g.jsonl", b" \n\n"), problems)
    assert told(problems) == ["1: it has no example"]


def test_a_schema_holds_of_values_and_fetches_nothing(tmp_path: Path) -> None:
    holds = read_schema(write(tmp_path, "s.json", b'{"type": "object", "required": ["total"]}'))
    assert (holds({"total": 1}), holds({}), holds([])) == (True, False, False)
    assert read_schema(write(tmp_path, "s.json", b'{"$defs": {"a": {"type": "null"}}, "$ref": "#/$defs/a"}'))(None)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"type": "objekt"}', "it is no JSON Schema: at `type`"),
        (b"[]", "it is no JSON Schema: no object"),
        (b"{", "it is no JSON"),
        (b'{"type": "object", "type": "null"}', "the key `type` stands there twice"),
        (b'"\xff"', "it is not UTF-8"),
        (b'{"$ref": "https://localhost:1/other.json"}', "it refers to a schema that is not in the file"),
        (b'{"$ref": "#"}', "it refers to itself without an end"),
    ],
)
def test_a_schema_that_is_none_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = write(tmp_path, "s.json", content)
    with pytest.raises(InputError) as caught:
        read_schema(path)({})
    assert caught.value.problems[0].message.startswith(why)


def test_ids_of_no_example_and_those_without_an_answer_are_told_at_once(tmp_path: Path) -> None:
    problems = Problems()
    golden = read_golden(write(tmp_path, "g.jsonl", GOOD), problems)
    read_answers(
        "m", write(tmp_path, "a.jsonl", [{"id": 1, "answer": "a"}, {"id": 7, "answer": "b"}]), golden, problems
    )
    first, second = told(problems)
    assert first == "2: no example of the golden dataset has the id `7`"
    assert second.startswith("1: no answer for the id `two`")


def test_a_schema_that_fails_or_takes_too_long_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = read_schema(write(tmp_path, "m.json", b'{"multipleOf": 1e-300}'))
    assert not fails(10**300)
    assert fails(0)
    monkeypatch.setattr("policy_engine.parity.schemas._SECONDS", 0.05)
    hangs = read_schema(write(tmp_path, "p.json", b'{"pattern": "^(a+)+$"}'))
    assert hangs("aaa")
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(InputError, match="takes longer than"):
        hangs("a" * 60 + "!")
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_is_nested_too_deep_is_told(tmp_path: Path) -> None:
    rows = [b'{"id": %d, "expected": %s1%s}\n' % (n, b"[" * n, b"]" * n) for n in (99, 100, 600, 30_000)]
    problems = Problems()
    read_golden(write(tmp_path, "g.jsonl", b"".join(rows)), problems)
    assert told(problems) == [f"{n}: it is nested too deep: more than 100 levels" for n in (2, 3, 4)]
