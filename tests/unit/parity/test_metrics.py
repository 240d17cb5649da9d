"""The metrics against what is published, worked out by hand, or found by the libraries' own ways."""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from policy_engine.parity.answers import compare, f1, right, same, squad
from policy_engine.parity.labels import coded, measure
from policy_engine.parity.lines import LineError
from policy_engine.parity.overlap import overlap, scorer, words

TEXTS = st.text(alphabet="ab AB1.,'-theTHE \n", max_size=40)


def official(prediction: str, truth: str) -> float:
    """`f1_score` of SQuAD's evaluate-v1.1.py, with the rule of version 2.0 where one side has no word."""

    def normalised(text: str) -> list[str]:
        kept = "".join(each for each in text.lower() if each not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split()).split()

    one, other = normalised(prediction), normalised(truth)
    if not one or not other:
        return float(one == other)
    shared = sum((Counter(one) & Counter(other)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(one), shared / len(other)
    return 2 * precision * recall / (precision + recall)


@given(TEXTS, TEXTS)
@settings(max_examples=80, deadline=None)
def test_the_words_in_common_are_counted_as_squad_does(answer: str, expected: str) -> None:
    assert f1(expected, answer) == pytest.approx(official(answer, expected))


def test_squads_answers_by_hand() -> None:
    assert squad("The Denver  Broncos.") == "denver broncos"
    # 2 of 3 words of the answer are right, and 2 of 2 right ones are there
    assert f1("Denver Broncos", "the Denver Broncos team") == pytest.approx(0.8)
    worth = compare(right(["Santa Clara", "Levi's Stadium"], "internal_qa"), "levis stadium", "internal_qa", None)
    assert (worth["exact_match"], worth["token_f1"], worth["json_valid"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("expected", "answer", "exact"),
    [
        ("1.5", "15", 0.0),
        ("1.5", " 1.5\n", 1.0),
        ("ACME", "acme", 0.0),
        ("cafe\u0301", "caf\u00e9", 1.0),
        ({"total": 12, "lines": [1, None]}, '{"lines": [1.0, null], "total": 12}', 1.0),
        ('{"total": 12}', '{"total": 12.5}', 0.0),
        ({"paid": True}, '{"paid": 1}', 0.0),
        ({"total": 12}, '```json\n{"total": 12}\n```', 0.0),
        ({"total": 12}, '{"total": 12, "total": 12}', 0.0),
        (12, "12", 1.0),
        (12, "NaN", 0.0),
        (["a"], '["a", "b"]', 0.0),
    ],
)
def test_what_is_extracted_is_matched_as_it_stands(expected: Any, answer: str, exact: float) -> None:
    assert compare(right(expected, "extraction"), answer, "extraction", None)["exact_match"] == exact


def test_a_list_is_right_answers_to_a_question_alone() -> None:
    with pytest.raises(LineError, match="list of right answers"):
        right(["a", 1], "internal_qa")
    assert right(["a", 1], "extraction").value == ["a", 1]


@given(st.recursive(st.none() | st.booleans() | st.integers(-2, 2) | st.just(""), st.lists, max_leaves=5))
def test_a_value_is_the_same_as_itself_and_as_no_other_kind(value: Any) -> None:
    assert same(value, value)
    assert not same(value, {"other": value})
    assert not same(True, 1)
    assert not same(None, 0)


def test_rouge_by_hand() -> None:
    found = overlap(scorer(), "the cat was found under the bed", "the cat was under the bed")
    # 6 of 6 and 6 of 7 words; 4 of 5 and 4 of 6 pairs; all 6 in order
    assert found == pytest.approx({"rouge_1": 12 / 13, "rouge_2": 8 / 11, "rouge_l": 12 / 13})


@given(st.text(alphabet="ab cd\n.,-1A", max_size=30), st.text(alphabet="ab cd\n.,-1A", max_size=30))
@settings(max_examples=40, deadline=None)
def test_rouge_of_ascii_is_that_of_the_library(expected: str, answer: str) -> None:
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(expected, answer)
    assert list(overlap(scorer(), expected, answer).values()) == [
        theirs[n].fmeasure for n in ("rouge1", "rouge2", "rougeL")
    ]


def test_rouge_knows_other_scripts() -> None:
    assert words("Größe, 東京タワー x_y") == ["größe", *"東京タワ", "ー", "x", "y"]
    one = overlap(scorer(), "東京は首都です", "東京は古い首都です")
    assert 0.8 < one["rouge_l"] < 1
    assert RougeScorer(["rougeL"]).score("東京", "東京")["rougeL"].fmeasure == 0, "which is why words are found here"


def test_vowels_that_are_marks_are_letters_of_a_word() -> None:
    assert words("हिन्दी भाषा की") == ["हिन्दी", "भाषा", "की"]
    assert overlap(scorer(), "की", "का")["rouge_1"] == 0
    assert words("مُحَمَّد") == ["مُحَمَّد"]
    assert words("ที่นี่") == ["ที่", "นี่"]
    assert words("cafe\u0301 nai\u0308ve") == ["caf\u00e9", "na\u00efve"]
    assert overlap(scorer(), "Qualite\u0301", "qualit\u00e9")["rouge_l"] == 1


def test_labels_and_answers_are_compared_in_one_normal_form() -> None:
    assert coded(["Qualit\u00e9", "autre"], [["Qualite\u0301", "autre"]]).answers == ((1, 0),)
    assert compare(right("caf\u00e9", "internal_qa"), "Cafe\u0301", "internal_qa", None)["exact_match"] == 1


@pytest.mark.parametrize(
    ("expected", "answer", "overlap"),
    [
        ({"n": 1.0}, '{"n": 1}', 1.0),
        ({"n": 1.5}, '{"n": 15}', 0.5),
        ({"n": -5}, '{"n": 5}', 0.5),
        ({"n": [1000, 2]}, '{"n": [1e3, 3]}', 2 / 3),
        ("1.5", "15", 0.0),
        ("-5", "5", 0.0),
        ("ACME, 1.5.", "acme 1.5", 1.0),
        ({}, "{}", 1.0),
    ],
)
def test_the_words_in_common_know_numbers_as_the_exact_match_does(expected: Any, answer: str, overlap: float) -> None:
    found = compare(right(expected, "extraction"), answer, "extraction", None)
    assert found["token_f1"] == pytest.approx(overlap)
    assert found["exact_match"] <= found["token_f1"]


def test_of_very_many_labels_there_is_no_confusion() -> None:
    names = [f"l{n}" for n in range(201)]
    assert measure(coded(names, [names]), 0).confusion == ()
    assert len(measure(coded(names[1:], [names[1:]]), 0).confusion) == 200


def test_labels_by_hand() -> None:
    """Two of three positives are found, and one of two negatives; one answer is none of the labels."""
    found = coded(["pos", "pos", "pos", "neg", "neg"], [[" POS", "pos\n", "neg", "neg", "neutral"]])
    assert (found.labels, found.answers) == (("neg", "pos"), ((1, 1, 0, 0, -1),))
    measured = measure(found, 0)
    assert measured.metrics == pytest.approx(
        {
            "accuracy": 3 / 5,
            "macro_precision": (1 / 2 + 2 / 2) / 2,
            "macro_recall": (1 / 2 + 2 / 3) / 2,
            "macro_f1": (2 / 4 + 4 / 5) / 2,
        }
    )
    assert measured.confusion == ((1, 0, 1), (1, 2, 0))


def test_a_label_that_is_never_answered_counts_as_nothing() -> None:
    measured = measure(coded(["a"] * 9 + ["b"], [["a"] * 10]), 0)
    assert (measured.metrics["accuracy"], measured.metrics["macro_recall"]) == (0.9, 0.5)
    assert measured.metrics["macro_f1"] == pytest.approx((18 / 19) / 2)
