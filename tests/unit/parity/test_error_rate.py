"""How often a candidate that is worse by the margin is called equivalent: counted out, and by simulation."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy
import pytest

from policy_engine.parity.comparing import _hidden, _least
from policy_engine.parity.labels import coded
from policy_engine.parity.resampling import chance_of, draws, interval, of_macro
from policy_engine.parity.scoring import Scored
from policy_engine.vouching.evaluation import Difference, alpha_of, holds, judge, needed, rounded, unseen

MARGIN = 0.02


def chance(lost: int, gained: int, examples: int, loses: float, gains: float) -> float:
    """Return the probability of so many losses and gains, as the multinomial distribution has it."""
    rest = examples - lost - gained
    ways = lgamma(examples + 1) - lgamma(lost + 1) - lgamma(gained + 1) - lgamma(rest + 1)
    return exp(ways + lost * log(loses) + gained * log(gains) + rest * log(1 - loses - gains))


@pytest.mark.parametrize(("candidates", "examples"), [(1, 183), (1, 200), (1, 300), (1, 400), (3, 250), (3, 600)])
def test_of_right_and_wrong_answers_the_error_is_what_the_confidence_says(candidates: int, examples: int) -> None:
    """Every outcome, whatever the bootstrap says of it: its interval only makes the verdict rarer."""
    alpha = alpha_of(0.95, candidates)
    most = int(3 * MARGIN * examples) + 16
    called = [
        (lost, gained)
        for lost in range(most)
        for gained in range(most)
        if holds(Difference((gained - lost) / examples, -MARGIN / 2, 1), examples, lost + gained, MARGIN, alpha,
                 "accuracy")
    ]  # fmt: skip
    assert (0, 0) in called
    worst = max(
        sum(chance(lost, gained, examples, MARGIN + gains, gains) for lost, gained in called)
        for gains in (1e-9, 0.002, 0.005, 0.01, 0.02)
    )
    assert worst <= alpha / 2 * 1.01


def test_what_the_bootstrap_alone_called_equivalent_is_not() -> None:
    """One loss in 183, of which a candidate that is worse by the margin has at most one in 117 of 1,000 cases."""
    known = (183, 1, unseen(183, 0.05), MARGIN, 0.05)
    chance = chance_of([-1] + [0] * 182, MARGIN)
    for metric in ("accuracy", "macro_f1", "rouge_l"):
        assert judge(Difference(-1 / 183, -3 / 183, 0.0), *known, metric, chance) == "inconclusive"
    assert judge(Difference(0.0, 0.0, 0.0), 183, 0, unseen(183, 0.05), MARGIN, 0.05, "accuracy") == "equivalent"


@pytest.mark.parametrize("noise", [0, 0.001, 0.01])
@pytest.mark.parametrize(("rate", "loss"), [(0.0223, 0.9), (0.02, 1.0)])
def test_small_differences_everywhere_hide_no_great_losses(rate: float, loss: float, noise: float) -> None:
    """Of 400 datasets 10 would be the nominal: the bound that counted what differs called 31 of them equivalent."""
    random, called = numpy.random.default_rng(3), 0
    for _ in range(400):
        gains = numpy.clip(noise * random.standard_normal(183) - loss * (random.random(183) < rate), -1, 1)
        difference = Difference(float(gains.mean()), -MARGIN / 2, 1)
        chance = rounded(chance_of(gains, MARGIN))
        called += holds(difference, 183, int((gains != 0).sum()), MARGIN, 0.05, "rouge_l", chance)
    assert called <= 16, "more than chance makes of 10"


def test_the_chance_is_that_of_what_can_be_counted_out() -> None:
    """Where nothing differs it is exact; half of 400 lost and gained alike is Chernoff's bound of a fair coin."""
    assert chance_of([0.0] * 183, MARGIN) == pytest.approx(0.98**183)
    coin = exp(-400 * (0.5 * log(0.5 / 0.49) + 0.5 * log(0.5 / 0.51)))
    assert chance_of([1, -1] * 200, MARGIN) == pytest.approx(coin)
    assert chance_of([-0.02] * 400, MARGIN) == chance_of([-0.5] * 400, MARGIN) == 1


def test_models_that_are_alike_but_for_noise_are_found_equivalent() -> None:
    noise = numpy.random.default_rng(3).normal(0, 0.1, 600)
    assert chance_of(noise - noise.mean(), MARGIN) < 0.025


@pytest.mark.parametrize("support", [(92, 92), (20,) * 10])
def test_of_macro_averages_the_error_is_not_above_that_either(support: tuple[int, ...]) -> None:
    """The one in use is always right, the candidate wrong in 2 of 100: of 150 datasets 4 would be the nominal."""
    random, labels = numpy.random.default_rng(5), [f"l{n}" for n in range(len(support))]
    truth = [label for label, count in zip(labels, support, strict=True) for _ in range(count)]
    called = 0
    for number in range(150):
        wrong = random.random(len(truth)) < MARGIN
        candidate = [labels[(labels.index(t) + 1) % len(labels)] if w else t for t, w in zip(truth, wrong, strict=True)]
        found = coded(truth, [truth, candidate])
        (differences,) = of_macro(found, "macro_f1", draws(len(truth), 400, number, 0))
        low, high = interval(differences, 0.05)
        resolution = rounded(max(_hidden(found, 0.05), unseen(len(truth), 0.05)))
        difference = Difference(float(differences.mean()), low, high)
        verdict = judge(difference, len(truth), int(wrong.sum()), resolution, MARGIN, 0.05, "macro_f1")
        called += verdict in ("equivalent", "better")
    assert called <= 8, "more than chance makes of 4"


@pytest.mark.parametrize(
    ("labels", "each", "enough"), [(50, 1, False), (50, 3, False), (50, 4, True), (2, 91, False), (2, 92, True)]
)
def test_many_labels_need_as_many_examples_as_one_does(labels: int, each: int, enough: bool) -> None:
    truth = [f"l{n}" for n in range(labels)] * each
    found = coded(truth, [truth, truth])
    resolution = max(_hidden(found, 0.05), unseen(len(truth), 0.05))
    assert (resolution <= MARGIN) == enough
    assert (each >= _least(Scored((), (), found), MARGIN, 0.05)) == enough
    assert needed(MARGIN, 0.05) == 183
