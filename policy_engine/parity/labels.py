"""Classification: counts of labels. The one door to scikit-learn.

Labels are those of the golden dataset, in normal form C, without the white space around them and whatever their case.
An answer that is none of them is wrong, is no label of its own, and stands in a column of its own in the confusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

from msgspec import Struct

from policy_engine.parity.extra import missing

NO_LABEL = -1
#: Of more labels the confusion is no table, and takes memory with their square.
MOST_CONFUSED = 200


class Coded(Struct, frozen=True):
    """The labels in order, and by number what is right and what each model answered (`NO_LABEL`: none of them)."""

    labels: tuple[str, ...]
    truth: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


class Measured(Struct, frozen=True):
    """The metrics of one model, shares; `confusion[i][j]` counts label i answered as j, the last column as none.

    It is empty where there are more than `MOST_CONFUSED` labels.
    """

    metrics: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]


def library() -> Any:
    """Return scikit-learn's metrics.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from sklearn import metrics
    except ImportError:
        raise missing("scikit-learn") from None
    return metrics


def plain(text: str) -> str:
    """Return a label without what does not count."""
    return normalize("NFC", " ".join(text.split()).casefold())


def coded(expected: Sequence[str], answers: Sequence[Sequence[str]]) -> Coded:
    """Return the labels by number."""
    labels = tuple(sorted({plain(each) for each in expected}))
    numbers = {label: number for number, label in enumerate(labels)}
    return Coded(
        labels,
        tuple(numbers[plain(each)] for each in expected),
        tuple(tuple(numbers.get(plain(each), NO_LABEL) for each in of) for of in answers),
    )


def measure(found: Coded, model: int) -> Measured:
    """Return the metrics of one model: macro averages are over the labels of the dataset, each counting the same."""
    metrics = library()
    truth, answered, numbers = found.truth, found.answers[model], list(range(len(found.labels)))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, answered, labels=numbers, average="macro", zero_division=0.0
    )
    few = len(numbers) <= MOST_CONFUSED
    counts = metrics.confusion_matrix(truth, answered, labels=[*numbers, NO_LABEL]) if few else ()
    return Measured(
        {
            "macro_f1": float(f1),
            "accuracy": float(metrics.accuracy_score(truth, answered)),
            "macro_precision": float(precision),
            "macro_recall": float(recall),
        },
        tuple(tuple(int(each) for each in row) for row in counts[:-1]),
    )
