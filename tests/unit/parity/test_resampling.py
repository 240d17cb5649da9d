"""The bootstrap against a plain loop over the same draws, and the whole metric by scikit-learn in each."""

from __future__ import annotations

import random
from typing import Any

import numpy
import pytest
from sklearn.metrics import precision_recall_fscore_support

from policy_engine.parity.labels import coded
from policy_engine.parity.resampling import draws, interval, of_macro, of_means

RANDOM = random.Random(3)  # noqa: S311 - data, no secret
LABELS = ["a", "b", "rare"]
TRUTH = RANDOM.choices(LABELS, [6, 6, 1], k=40)


def answered(right: float) -> list[str]:
    return [each if RANDOM.random() < right else RANDOM.choice([*LABELS, "none of them"]) for each in TRUTH]


MODELS = [answered(0.8), answered(0.7), answered(0.4)]


def matrix(examples: int = 40, resamples: int = 50) -> Any:
    return numpy.concatenate(list(draws(examples, resamples, seed=5, task=0)))


@pytest.mark.parametrize(("metric", "place"), [("macro_precision", 0), ("macro_recall", 1), ("macro_f1", 2)])
def test_macro_averages_are_worked_out_anew_of_each_draw(metric: str, place: int) -> None:
    found = of_macro(coded(TRUTH, MODELS), metric, iter([matrix()]))
    assert found.shape == (2, 50)
    short = 0
    for column, draw in enumerate(matrix()):
        truth = [TRUTH[i] for i in draw]
        there = sorted(set(truth))
        short += len(there) < 3
        values = [
            precision_recall_fscore_support(
                truth, [model[i] for i in draw], labels=there, average="macro", zero_division=0.0
            )[place]
            for model in MODELS
        ]
        assert found[:, column] == pytest.approx([values[1] - values[0], values[2] - values[0]])
    assert short, "no draw lacks the rare label, which is what this is about"


def test_means_are_those_of_a_loop() -> None:
    values = [[RANDOM.random() for _ in range(40)] for _ in range(3)]
    found = of_means(values, iter([matrix()]))
    for column, draw in enumerate(matrix()):
        means = [sum(row[i] for i in draw) / 40 for row in values]
        assert found[:, column] == pytest.approx([means[1] - means[0], means[2] - means[0]])


def test_draws_are_the_seeds_alone_and_are_of_every_example() -> None:
    assert (matrix() == matrix()).all()
    assert not (matrix() == numpy.concatenate(list(draws(40, 50, seed=6, task=0)))).all()
    assert not (matrix() == numpy.concatenate(list(draws(40, 50, seed=5, task=1)))).all()
    assert set(matrix().ravel()) == set(range(40))
    assert [len(block) for block in draws(3_000_000, 3, 0, 0)] == [1, 1, 1]


def test_the_interval_is_that_of_the_ordered_differences() -> None:
    ordered = numpy.arange(1001) / 1000
    assert interval(ordered[::-1], 0.05) == (0.025, 0.975)
    assert interval(numpy.zeros(1000), 0.05) == (0.0, 0.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 200 datasets with a known difference of 0.1 about 95 in 100 intervals hold it: by chance not under 178."""
    generator, held = numpy.random.default_rng(11), 0
    for number in range(200):
        first = (generator.random(150) < 0.7).astype(float)
        second = (generator.random(150) < 0.8).astype(float)
        low, high = interval(of_means([first, second], draws(150, 400, number, 0))[0], 0.05)
        held += low <= 0.1 <= high
    assert 178 <= held <= 199
