"""Laws of the comparison, on whatever two models answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.parity.comparing import Comparison, Terms, compare
from policy_engine.parity.reading import Answer, AnswerFile, Example, GoldenFile, Problems
from policy_engine.parity.scoring import Asked
from policy_engine.vouching.evaluation import document_of, evaluation_of

LABELS = ("a", "b", "c")
METRICS = ("macro_f1", "accuracy", "macro_recall", "rouge_l", "exact_match", "token_f1")
ROWS = st.lists(st.tuples(*[st.sampled_from(LABELS)] * 3), min_size=1, max_size=60)


def compared(
    rows: list[tuple[str, ...]], metric: str, order: tuple[int, int] = (1, 2), **more: float | None
) -> Comparison:
    examples = {str(n): Example(str(n), n + 1, row[0], None) for n, row in enumerate(rows)}
    golden = GoldenFile(Path("golden"), "0" * 64, examples, "0" * 64)
    files = tuple(
        AnswerFile(
            f"model {place}", Path("answers"), f"{place:064x}",
            {str(n): Answer(n + 1, row[place], more.get("latency_ms"), None) for n, row in enumerate(rows)},
            f"{place:064x}", f"{place:064x}",
        )
        for place in order
    )  # fmt: skip
    asked = Asked(None, None, metric, tuple(examples.values()), golden, files)
    return compare(golden, files, [asked], Terms(0.02, 0.95, 1000, 0), Problems())


@given(ROWS, st.sampled_from(METRICS))
@settings(max_examples=20, deadline=None)
def test_what_is_gained_one_way_is_lost_the_other_way(rows: list[tuple[str, ...]], metric: str) -> None:
    (one,), (other,) = (
        compared(rows, metric, order).report.tasks[0].candidates for order in ((1, 2), (2, 1))
    )  # fmt: skip
    assert one.difference.value == -other.difference.value
    assert (one.difference.low, one.difference.high) == pytest.approx((-other.difference.high, -other.difference.low))
    assert one.differing == other.differing


@given(ROWS, st.sampled_from(METRICS))
@settings(max_examples=20, deadline=None)
def test_who_answers_the_same_differs_by_nothing_and_a_report_is_one(rows: list[tuple[str, ...]], metric: str) -> None:
    same = [(right, answer, answer) for right, answer, _ in rows]
    found = compared(same, metric).report
    (candidate,) = found.tasks[0].candidates
    assert (candidate.difference.low, candidate.difference.high, candidate.differing) == (0, 0, 0)
    assert candidate.verdict == "too_few", "sixty examples show no margin of 2 in 100"
    assert evaluation_of(document_of(found)) == found


def test_of_macro_averages_two_wrong_answers_differ_where_they_are_not_the_same() -> None:
    rows = [("a", "b", "c"), ("a", "b", "b"), ("a", "d", "e"), ("b", "b", "a"), ("c", "c", "c")]
    (macro,) = compared(rows, "macro_f1").report.tasks[0].candidates
    (rate,) = compared(rows, "accuracy").report.tasks[0].candidates
    assert (macro.differing, rate.differing) == (2, 1), "`d` and `e` are no labels, both"


def test_what_some_answers_do_not_say_is_unknown() -> None:
    rows = [("a", "a", "b")] * 20
    (first, _) = compared(rows, "accuracy", latency_ms=5.0).speed
    assert first == {"latency_p50_ms": 5.0, "latency_p95_ms": 5.0, "usd_per_answer": None}
    assert compared(rows, "accuracy").speed[0]["latency_p50_ms"] is None
