"""The paired bootstrap: examples are drawn with replacement, and both models are measured on the same draw.

The whole metric is worked out anew of each draw, macro averages too. Arrays are of numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from policy_engine.parity.extra import missing
from policy_engine.parity.labels import NO_LABEL, Coded

#: Indexes drawn at once: 32 MB of them.
_AT_ONCE = 4_000_000
#: So often the part is halved in which the best stake lies.
_HALVED = 40


def library() -> Any:
    """Return numpy.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import numpy
    except ImportError:
        raise missing("numpy") from None
    return numpy


def draws(examples: int, resamples: int, seed: int, task: int) -> Iterator[Any]:
    """Yield blocks of draws, each row the indexes of as many examples as there are; the same seed gives the same."""
    numpy = library()
    random = numpy.random.default_rng([seed, task])
    rows = max(1, _AT_ONCE // examples)
    for start in range(0, resamples, rows):
        yield random.integers(0, examples, size=(min(rows, resamples - start), examples))


def of_means(values: Sequence[Sequence[float]], blocks: Iterator[Any]) -> Any:
    """Return the differences of means, a row for each candidate and a column for each draw.

    `values` are those of the examples, a row for each model, the one in use first.
    """
    numpy = library()
    rows = numpy.asarray(values, dtype=float)
    gains = rows[1:] - rows[0]
    found = [numpy.stack([gain[block].mean(axis=1) for gain in gains]) for block in blocks]
    return numpy.concatenate(found, axis=1)


def of_macro(coded: Coded, metric: str, blocks: Iterator[Any]) -> Any:
    """Return the differences of a macro average, as `of_means` does.

    The average is over the labels that are right for an example of the draw.
    """
    numpy = library()
    labels = len(coded.labels)
    truth = numpy.asarray(coded.truth)
    # what is none of the labels is counted behind them, and left there
    said = [numpy.where(of == NO_LABEL, labels, of) for of in map(numpy.asarray, coded.answers)]
    right = [numpy.where(of == truth, of, labels) for of in said]
    found = []
    for block in blocks:
        support = _counts(truth, block, labels)
        both = zip(said, right, strict=True)
        values = [_macro(metric, support, _counts(s, block, labels), _counts(r, block, labels)) for s, r in both]
        found.append(numpy.stack([value - values[0] for value in values[1:]]))
    return numpy.concatenate(found, axis=1)


def _counts(numbers: Any, block: Any, labels: int) -> Any:
    """Return how often each label is in each draw, a row for each."""
    numpy = library()
    flat = numbers[block] + (labels + 1) * numpy.arange(len(block))[:, None]
    counts = numpy.bincount(flat.ravel(), minlength=(labels + 1) * len(block))
    return counts.reshape(len(block), labels + 1)[:, :labels].astype(float)


def _macro(metric: str, support: Any, said: Any, right: Any) -> Any:
    """Return the average over the labels that have support, for each row; nothing said of a label counts as 0."""
    numpy = library()
    below, above = {
        "macro_f1": (support + said, 2 * right),
        "macro_precision": (said, right),
        "macro_recall": (support, right),
    }[metric]
    parts = numpy.divide(above, below, out=numpy.zeros_like(above), where=below > 0)
    there = support > 0
    return (parts * there).sum(axis=1) / there.sum(axis=1)


def chance_of(gains: Any, margin: float) -> float:
    """Return at most how likely such gains are, if on average an example loses the margin or more; from 0 to 1.

    A gain is from -1 to 1. Whoever stakes the same part of what they own on each example, that its gain is above the
    loss of the margin, gains nothing in the long run (Waudby-Smith and Ramdas, 2024). This is one over what the best
    part would have made of 1: `1 - margin` to the number of examples, where nothing differs. Some great losses are
    ruined by a large part, and a small one makes little of few examples, whatever else differs a little.
    """
    numpy = library()
    spare = numpy.asarray(gains, dtype=float) + min(margin, 0.999)
    # the whole is lost where an example may lose 1
    low, high = 0.0, (1 - 1e-12) / (1 - min(margin, 0.999))
    part = high
    for _ in range(_HALVED):
        if (spare / (1 + part * spare)).sum() > 0:
            low = part
        else:
            high = part
        part = (low + high) / 2
    return min(1.0, math.exp(-float(numpy.log1p(low * spare).sum())))


def interval(differences: Any, alpha: float) -> tuple[float, float]:
    """Return the ends between which all but `alpha` of the differences lie, half of it on either side.

    Each end is a difference that was found, the one farther out.
    """
    numpy = library()
    low = numpy.quantile(differences, alpha / 2, method="lower")
    high = numpy.quantile(differences, 1 - alpha / 2, method="higher")
    return float(low), float(high)
