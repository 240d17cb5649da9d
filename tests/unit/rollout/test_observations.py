"""Observations: what is none is told with its line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import InputError
from policy_engine.rollout.observations import merged, observation_of, read_observations
from tests.rollouts import seen

GOOD: dict[str, Any] = {
    "stage": "5-percent",
    "task": "t",
    "model": "candidate",
    "at": "2026-11-02T10:00:00Z",
    "requests": 9,
}


def _read(tmp_path: Path, *texts: str) -> list[Any]:
    paths = [tmp_path / f"{number}.jsonl" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found, problems = read_observations(paths, ["t", "u"])
    if problems:
        raise InputError([each for group in problems.values() for each in group])
    return found


def _line(**changed: Any) -> str:
    return json.dumps({name: value for name, value in {**GOOD, **changed}.items() if value is not ...}) + "\n"


def test_a_line_is_read_exactly_and_what_is_left_out_is_not_known(tmp_path: Path) -> None:
    whole = _line(errors=1, quality=0.1, latency_p95_ms=640.25, stage=5)
    (first, second) = _read(tmp_path, whole + "\n\n" + _line(at="2026-11-02T13:00:00+02:00", quality=None))
    assert (first.quality, first.latency_p95_ms, first.errors, first.stage) == (
        Fraction(1, 10),
        Fraction(2561, 4),
        1,
        5.0,
    )
    assert (second.at.hour, second.errors, second.quality, second.latency_p95_ms) == (11, None, None, None)
    assert str(second.span).endswith("0.jsonl:4:1")
    assert observation_of({**first.document(), "stage": 5.0}).document() == first.document()
    assert first.document()["quality"] == "0.1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "not-json"),
        ("[" * 100_000, "not-json"),
        ("[]", "not-an-object"),
        ("5", "not-an-object"),
        ('{"task": "t", "task": "t"}', "duplicate-key"),
        (_line(extra=1), "unknown-key"),
        (_line(model=...), "missing-key"),
        (_line(requests=None), "missing-key"),
        (_line(task="x"), "unknown-value"),
        (_line(task=["t"]), "unknown-value"),
        (_line(model="Candidate"), "unknown-value"),
        (_line(at="2026-11-02T10:00:00"), "not-a-time"),
        (_line(at="yesterday"), "not-a-time"),
        (_line(at=5), "not-a-time"),
        (_line(stage=True), "wrong-type"),
        (_line(requests=True), "wrong-type"),
        (_line(requests="9"), "wrong-type"),
        (_line(requests=1.5), "wrong-type"),
        (_line(requests=-1), "bad-observation"),
        (_line(requests=1e16), "bad-observation"),
        (_line(errors=10), "bad-observation"),
        (_line(quality=1.001), "bad-observation"),
        (_line(quality=-0.1), "bad-observation"),
        (_line().replace("9}", "NaN}"), "wrong-type"),
        (_line().replace("9}", "1e999999999999999999999}"), "wrong-type"),
        (_line().replace("9}", "9" * 5000 + "}"), "wrong-type"),
        (_line(task="\ud800"), "unknown-value"),
    ],
)
def test_what_is_no_observation_is_told_by_its_line(tmp_path: Path, line: str, code: str) -> None:
    good = _line(at="2026-11-02T09:00:00Z")
    with pytest.raises(InputError) as caught:
        _read(tmp_path, good + line.strip("\n") + "\n")
    (problem,) = caught.value.problems
    assert problem.code == code
    assert str(problem.span).endswith("0.jsonl:2:1")
    assert problem.message.isprintable()


def test_files_without_an_observation_or_without_text_are_refused(tmp_path: Path) -> None:
    for text, code in (("", "no-observations"), ("\n \n", "no-observations"), ("\n\udcff", "not-utf-8")):
        with pytest.raises(InputError) as caught:
            _read(tmp_path, text)
        assert caught.value.code == code
    with pytest.raises(InputError, match="cannot read"):
        read_observations([tmp_path / "none.jsonl"], ["t"])


def test_times_that_fall_and_observations_that_are_there_twice_are_told(tmp_path: Path) -> None:
    late, early = _line(at="2026-11-02T12:00:00Z"), _line(at="2026-11-02T11:00:00Z")
    with pytest.raises(InputError) as caught:
        _read(tmp_path, late + early)
    assert [(p.code, str(p.span)[-3:]) for p in caught.value.problems] == [("observation-out-of-order", "2:1")]
    with pytest.raises(InputError) as caught:
        _read(tmp_path, late, early + late.replace("12:00:00Z", "13:00:00+01:00"))
    (problem,) = caught.value.problems
    assert (problem.code, "0.jsonl:1:1" in problem.message) == ("duplicate-observation", True)
    assert str(problem.span).endswith("1.jsonl:2:1")
    other = _line(task="u", at="2026-11-02T11:00:00Z")
    assert len(_read(tmp_path, late + other, early)) == 3


def test_what_was_left_out_may_be_added_and_what_was_said_stays() -> None:
    part, whole = seen("candidate", 1, quality=None), seen("candidate", 1)
    assert merged(part, whole) == merged(whole, part) == whole
    assert merged(whole, seen("candidate", 1, errors=1)) is None
    assert merged(whole, seen("candidate", 1, 201)) is None
