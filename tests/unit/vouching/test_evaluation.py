"""When a candidate is better, equivalent or worse, and when nobody can tell; and what of a report an entry holds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from policy_audit.canonical import canonical_bytes

from policy_engine.vouching.evaluation import (
    Difference,
    alpha_of,
    document_of,
    evaluation_digest,
    evaluation_of,
    judge,
    needed,
    unseen,
)
from tests.evaluating import evaluation

ALPHA = 0.05


def verdict(low: float, high: float, examples: int = 1000, differing: int = 100, **more: Any) -> str:
    terms = {
        "resolution": unseen(examples, ALPHA),
        "margin": 0.02,
        "alpha": ALPHA,
        "metric": "macro_f1",
    } | more
    return judge(Difference((low + high) / 2, low, high), examples, differing, **terms)


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.001, 0.03, "better"),
        (0.0, 0.03, "equivalent"),
        (-0.019, 0.03, "equivalent"),
        (-0.019, -0.001, "equivalent"),
        (-0.02, 0.03, "inconclusive"),
        (-0.05, -0.02, "inconclusive"),
        (-0.05, -0.021, "worse"),
    ],
)
def test_verdicts_on_each_side_of_their_bounds(low: float, high: float, found: str) -> None:
    assert verdict(low, high, differing=1000) == found


@pytest.mark.parametrize("examples", [1, 5, 29, 30, 182])
def test_a_few_examples_on_which_all_agree_show_nothing(examples: int) -> None:
    assert verdict(0.0, 0.0, examples, 0) == "too_few"


def test_so_many_examples_are_needed_that_chance_would_have_shown_the_margin() -> None:
    """At a rate of 2 in 100, 183 examples agree by chance in under 2.5 of 100 cases, and 182 in more."""
    assert 0.98**183 < 0.025 < 0.98**182
    assert needed(0.02, ALPHA) == 183
    assert verdict(0.0, 0.0, 183, 0) == "equivalent"
    assert needed(0.02, alpha_of(0.95, 3)) == math.ceil(math.log(0.05 / 6) / math.log(0.98)) == 237


def test_much_worse_is_told_by_few_examples_and_by_none_that_chance_explains() -> None:
    assert verdict(-0.9, -0.4, 40, 25) == "worse"
    assert verdict(-0.9, -0.4, 29, 25) == "too_few"
    # five of five that differ are worse: by chance in 2 of 32 cases
    assert verdict(-0.3, -0.05, 40, 5) == "too_few"
    assert verdict(-0.3, -0.05, 40, 6) == "worse"
    assert (verdict(0.001, 0.01, 1000, 5), verdict(0.001, 0.01, 1000, 6)) == ("equivalent", "better")


RANK = {"worse": 0, "too_few": 1, "inconclusive": 1, "equivalent": 2, "better": 3}


@given(st.floats(-0.5, 0.5), st.floats(0, 0.3), st.floats(0, 0.5), st.integers(1, 5000), st.integers(0, 50))
def test_a_higher_interval_is_never_judged_worse(low: float, width: float, up: float, examples: int, d: int) -> None:
    one, other = verdict(low, low + width, examples, d), verdict(low + up, low + width + up, examples, d)
    assert RANK[one] <= RANK[other]


@given(st.floats(0.001, 0.4), st.floats(0.0001, 0.2))
def test_what_is_needed_leaves_no_more_unseen_than_the_margin(margin: float, alpha: float) -> None:
    count = needed(margin, alpha)
    assert unseen(count, alpha) <= margin * (1 + 1e-9)
    assert count == 1 or unseen(count - 1, alpha) > margin * (1 - 1e-9)


def test_a_report_is_read_back_as_it_was_written() -> None:
    document = document_of(evaluation())
    assert evaluation_of(json.loads(canonical_bytes(document))) == evaluation()
    assert document["tasks"][0]["candidates"][0]["difference"]["low"] == "-0.0125"
    assert evaluation_digest(document) == evaluation_digest(document_of(evaluation()))


def _changed(document: Any, path: str, value: Any) -> Any:
    place = document
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tasks.0.candidates.0.verdict", "better"),
        ("tasks.0.candidates.0.difference.low", "-0.5"),
        ("tasks.0.candidates.0.difference.low", "NaN"),
        ("tasks.0.candidates.0.difference.high", "-0.9"),
        ("tasks.0.candidates.0.value", "0.99"),
        ("tasks.0.candidates.0.model", "gpt-4o"),
        ("tasks.0.candidates.0.differing", 501),
        ("tasks.0.candidates.0.text", "what a person wrote"),
        ("tasks.0.candidates", []),
        ("tasks.0.resolution", "0.5"),
        ("tasks.0.examples", 501),
        ("tasks.0.examples", 20),
        ("tasks", []),
        ("margin", "0"),
        ("margin", "inf"),
        ("confidence", "1"),
        ("golden.sha256", "0" * 63),
        ("answers.1.model", "another"),
    ],
)
def test_a_report_that_was_changed_is_none(path: str, value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own is one, too
        evaluation_of(_changed(document_of(evaluation()), path, value))


#: 0.98 to the 500, and a little more.
CHANCE = "0.00006"


def _rates(**more: Any) -> Any:
    """Return the report of 500 examples by accuracy: 2 gained, 2 lost."""
    even = {"value": "0", "low": "-0.008", "high": "0.008"}
    candidate = {"value": "0.85", "difference": even, "differing": 4, "verdict": "equivalent"} | more
    document = _changed(document_of(evaluation()), "tasks.0.metric", "accuracy")
    document["tasks"][0]["candidates"][0] |= candidate
    return document


def _means(**more: Any) -> Any:
    """Return the report of 500 examples by ROUGE, of which 4 differ by 0.1."""
    even = {"value": "0", "low": "-0.0008", "high": "0.0008"}
    return _changed(_rates(**{"difference": even, "chance": CHANCE} | more), "tasks.0.metric", "rouge_l")


FORGED: dict[str, Any] = {
    "more lost than differs": _rates(value="0.838", difference={"value": "-0.012", "low": "-0.013", "high": "0"}),
    "half of an example": _rates(value="0.853", difference={"value": "0.003", "low": "-0.01", "high": "0.01"}),
    "nothing differs, and yet": _rates(differing=0),
    "beside its interval": _rates(difference={"value": "0", "low": "0.001", "high": "0.002"}, verdict="inconclusive"),
    "a finer resolution": _changed(_rates(), "tasks.0.resolution", "0.001"),
    "a coarser one without labels": _changed(_rates(), "tasks.0.resolution", "0.01"),
    "a finer one with labels": _changed(document_of(evaluation()), "tasks.0.resolution", "0.007"),
    "far from its interval": _changed(
        _changed(document_of(evaluation()), "tasks.0.candidates.0.difference",
                 {"value": "-0.85", "low": "-0.01", "high": "0"}),
        "tasks.0.candidates.0.value", "0",
    ),
    "a chance of labels": _rates(chance="0.01"),
    "no chance of a mean": _means(chance=None),
    "a smaller chance than can be": _means(chance="0.00001"),
    "a chance that is none": _means(chance="1.5"),
    "few draws": _changed(document_of(evaluation()), "resamples", 999),
    "too few draws for it": _changed(document_of(evaluation(confidence=0.999)), "resamples", 9_999),
    "one file of answers": _changed(document_of(evaluation()), "answers.1.sha256", f"{1:064x}"),
    "more examples in all": document_of(evaluation(*(changed(evaluation().tasks[0], name=n) for n in ("a", "b")))),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_figures_that_nothing_can_have_are_no_report(case: str) -> None:
    assert evaluation_of(_means()).tasks[0].candidates[0].chance == float(CHANCE)
    assert evaluation_of(_rates()).tasks[0].candidates[0].differing == 4
    with pytest.raises(ValueError, match=r"^(?!a verdict)"):
        evaluation_of(FORGED[case])
