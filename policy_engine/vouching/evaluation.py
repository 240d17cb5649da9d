"""A report of `policy parity` as an entry holds it, and what its figures come to. No text of an example is in it.

Values and differences are shares from 0 to 1. A verdict is found from the figures that are recorded, so that whoever
reads them finds the same. Of `alpha`, which is one less the confidence, each of several candidates gets its part
(Bonferroni), half of it on either side:

too_few       fewer than 30 examples, or so few that models which differ by more than the margin could agree on all
worse         the whole interval lies below the margin: the candidate is worse by more than that
better        the whole interval lies above 0
equivalent    the whole interval lies above the margin, and so does the bound of `holds`: not worse by more than that
inconclusive  none of these
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from statistics import NormalDist
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from policy_audit.canonical import canonical_bytes

from policy_engine.probe.attestation import decimal, without_floats

EVIDENCE = ("golden_dataset", "parallel_test")
Verdict = Literal["better", "equivalent", "worse", "inconclusive", "too_few"]
#: Verdicts that speak for the candidate.
SHOWN: tuple[Verdict, ...] = ("better", "equivalent")
FEWEST = 30
FEWEST_DRAWS = 1_000
MOST_CANDIDATES = 3
#: So many draws have to lie outside of each end of an interval.
_OUTSIDE = 5
#: Figures are rounded, each by itself.
_CLOSE = 1e-6

#: Families of metrics; the first of each decides where none is named.
LABELS = ("macro_f1", "accuracy", "macro_precision", "macro_recall")
SUMMARIES = ("rouge_l", "rouge_1", "rouge_2")
ANSWERS = ("exact_match", "token_f1", "json_valid", "schema_valid")
FAMILIES = (LABELS, SUMMARIES, ANSWERS)
#: An example is right by these, or it is not: the difference is that of two counts.
RATES = frozenset({"accuracy", "exact_match", "json_valid", "schema_valid"})
#: Averages over labels, each of which counts the same.
MACRO = frozenset({"macro_f1", "macro_precision", "macro_recall"})
#: MIGRATE-03: kinds of tasks whose metric is published.
METRICS: Mapping[str, tuple[str, ...]] = {
    "classification": LABELS,
    "sentiment": LABELS,
    "summarisation": SUMMARIES,
    "extraction": ANSWERS,
    "internal_qa": ANSWERS,
}
#: Metrics by which a report counts as evidence: valid JSON may hold anything, and one half of F1 is easy to raise.
COUNTED = frozenset({"macro_f1", "accuracy", *SUMMARIES, "exact_match", "token_f1"})


Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Form(Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a report: nothing else stands in it."""


class Golden(_Form, frozen=True):
    """The golden dataset: digests of its file and of what that says, and how many examples it has."""

    sha256: Digest
    content_sha256: Digest
    examples: int


class Answers(_Form, frozen=True):
    """A model, and the digests of the file with its answers and of the answers, however they are written."""

    model: str
    sha256: Digest
    content_sha256: Digest


class Side(_Form, frozen=True):
    """The model in use, and its value of the metric."""

    model: str
    value: float


class Difference(_Form, frozen=True):
    """The candidate's value less that of the model in use, with its interval."""

    value: float
    low: float
    high: float


class Candidate(_Form, frozen=True):
    """A candidate on one task; `differing` counts the examples that the two did not answer alike.

    `chance` is of means of shares, and None of others: at most so likely is what was seen, of one worse by the margin.
    """

    model: str
    value: float
    difference: Difference
    differing: int
    chance: float | None
    verdict: Verdict


class Task(_Form, frozen=True):
    """What was found of one task; `resolution` is the difference that may hide in so few examples."""

    name: str | None
    kind: str | None
    metric: str
    examples: int
    resolution: float
    current: Side
    candidates: tuple[Candidate, ...]


class Evaluation(_Form, frozen=True):
    """A whole report; `margin` is a share, and `answers` begin with the model in use."""

    golden: Golden
    answers: tuple[Answers, ...]
    margin: float
    confidence: float
    resamples: int
    seed: int
    tasks: tuple[Task, ...]


def alpha_of(confidence: float, candidates: int) -> float:
    """Return the share of error that each of so many candidates gets."""
    return (1.0 - confidence) / candidates


def unseen(examples: int, alpha: float) -> float:
    """Return the rate at which two models may differ that agree on so many examples: at more, it would be chance."""
    return 1.0 - math.pow(alpha / 2, 1.0 / examples)


def needed(margin: float, alpha: float) -> int:
    """Return how many examples leave no more unseen than the margin."""
    return math.ceil(math.log(alpha / 2) / math.log1p(-min(margin, 0.999)))


def judge(difference: Difference, examples: int, differing: int, resolution: float, margin: float, alpha: float,
          metric: str, chance: float | None = None) -> Verdict:  # fmt: skip
    """Return the verdict, as the head of this module has it.

    What rests on so few examples that a sign test could not tell it from chance is neither better nor worse.
    """
    told = differing >= math.ceil(math.log2(2 / alpha))
    if examples < FEWEST:
        return "too_few"
    if told and difference.high < -margin:
        return "worse"
    if resolution > margin:
        return "too_few"
    if told and difference.low > 0:
        return "better"
    held = difference.low > -margin and holds(difference, examples, differing, margin, alpha, metric, chance)
    return "equivalent" if held else "inconclusive"


def holds(difference: Difference, examples: int, differing: int, margin: float, alpha: float, metric: str,
          chance: float | None = None) -> bool:  # fmt: skip
    """Whether a candidate that is worse by just the margin would seldom look like this.

    Draws of the few examples that differ are all alike, so that the bootstrap's interval is too short where it counts.
    Of right and wrong answers the score test of paired shares decides (Tango, 1998) and, where nothing was lost, the
    exact bound, which is `unseen`. Of means of shares `chance` does, which rare great losses that were not drawn cannot
    hide from behind many small differences. Of macro averages the lower half of the interval is widened as the score
    test does it: by how much wider the spread is with so many losses that the margin is reached.
    """
    if is_mean(metric):
        return chance is not None and chance <= alpha / 2
    gained, lost = counts(difference.value, examples, differing)
    supposed = _spread(lost, gained, examples, margin)
    spare = difference.value + margin
    if metric in RATES:
        bound = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(supposed / examples)
        return spare > bound or (lost == 0 and spare > 0)
    seen = max(differing / examples - difference.value**2, 1 / examples)
    return spare > (difference.value - difference.low) * max(1.0, math.sqrt(supposed / seen))


def is_mean(metric: str) -> bool:
    """Whether an example is worth a share by this metric, of which the value is the mean."""
    return metric not in RATES and metric not in MACRO


def least_chance(value: float, examples: int, margin: float) -> float:
    """Return the chance if every example differed alike, below which it never is; 1 where the margin is reached."""
    return min(1.0, math.pow((1 - min(margin, 0.999)) / (1 + value), examples)) if value > -margin else 1.0


def counts(value: float, examples: int, differing: int) -> tuple[int, int]:
    """Return on how many examples the candidate alone is right, and on how many it alone is wrong."""
    gained = min(max(round((differing + value * examples) / 2), 0), differing)
    return gained, differing - gained


def _spread(lost: int, gained: int, examples: int, margin: float) -> float:
    """Return the variance of an example's difference, if losses exceeded gains by the margin: Tango's estimate."""
    double = 2 * examples
    linear = (double - lost + gained) * margin - lost - gained
    root = math.sqrt(linear * linear + 4 * double * gained * margin * (1 - margin))
    return (root - linear) / double + margin * (1 - margin)


def rounded(value: float) -> float:
    """Return the number as an entry can hold it; what is left of a sum that comes to nothing is none."""
    return float(decimal(round(value, 9)))


def document_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return the report in the profile of entries, which hold no floats: they stand as decimal strings."""
    found: dict[str, Any] = without_floats(msgspec.to_builtins(evaluation))
    return found


def evaluation_digest(report: Any) -> str:
    """Return the SHA-256 of the report's canonical bytes, in hexadecimal.

    Raises:
        CanonicalError: it is not of the profile of entries, or too large for one.
    """
    return sha256(canonical_bytes(report)).hexdigest()


def evaluation_body(evaluation: Evaluation, workload: str, valid_until: str | None) -> dict[str, Any]:
    """Return the body of the entry that records a report.

    Raises:
        CanonicalError: it is too large for an entry, or a name is not in normal form.
    """
    report = document_of(evaluation)
    return {
        "workload": workload,
        "evidence": list(EVIDENCE),
        "sha256": evaluation_digest(report),
        "valid_until": valid_until,
        "report": report,
    }


def evaluation_of(report: Any) -> Evaluation:
    """Return the report that an entry holds.

    Raises:
        ValueError: it is none that this program writes, or a verdict does not follow from its figures.
    """
    found = msgspec.convert(report, Evaluation, strict=False)
    if not (0 < found.margin <= 1 and 0 < found.confidence < 1 and found.tasks):
        raise ValueError("its margin or confidence is none")
    models = [each.model for each in found.answers]
    if len(set(models)) < len(models) or len({task.name for task in found.tasks}) < len(found.tasks):
        raise ValueError("a model or a task is there twice")
    if len({each.sha256 for each in found.answers}) < len(models):
        raise ValueError("two models have the same answers")
    if sum(task.examples for task in found.tasks) > found.golden.examples or any(t.examples < 1 for t in found.tasks):
        raise ValueError("its tasks have more examples than the dataset")
    for task in found.tasks:
        if [task.current.model, *(each.model for each in task.candidates)] != models or len(models) < 2:
            raise ValueError("a task is about other models than the report")
        alpha = alpha_of(found.confidence, len(task.candidates))
        if found.resamples < draws_needed(alpha):
            raise ValueError("it has fewer draws than its confidence takes")
        for each in task.candidates:
            _check(task, each, alpha, found.margin)
            verdict = judge(each.difference, task.examples, each.differing, task.resolution, found.margin, alpha,
                            task.metric, each.chance)  # fmt: skip
            if verdict != each.verdict:
                raise ValueError("a verdict does not follow from its figures")
    return found


def draws_needed(alpha: float) -> int:
    """Return of how many draws an interval is to be that leaves out `alpha`."""
    return max(FEWEST_DRAWS, math.ceil(2 * _OUTSIDE / alpha - _CLOSE))


def _check(task: Task, candidate: Candidate, alpha: float, margin: float) -> None:
    """Refuse figures that nothing can have."""
    shares = (task.current.value, candidate.value, task.resolution)
    value, low, high = candidate.difference.value, candidate.difference.low, candidate.difference.high
    fine = (
        all(0 <= each <= 1 for each in shares) and all(-1 <= each <= 1 for each in (value, low, high)) and low <= high
    )
    apart = abs(candidate.value - task.current.value - value)
    if not fine or not apart < _CLOSE or not 0 <= candidate.differing <= task.examples:
        raise ValueError("a figure is none that can be measured")
    hidden = task.resolution - unseen(task.examples, alpha)
    macro = task.metric in MACRO
    if hidden < -_CLOSE or (hidden > _CLOSE and not macro):
        raise ValueError("its resolution is not that of so many examples")
    # draws that lack a rare label may all lie to one side of the whole
    reach = task.resolution if macro else _CLOSE
    if not low - reach <= value <= high + reach:
        raise ValueError("a difference lies outside of its interval")
    if not macro:
        _check_mean(task, candidate)
    _check_chance(task, candidate, margin)


def _check_chance(task: Task, candidate: Candidate, margin: float) -> None:
    """Refuse a chance that is smaller than the difference allows, or of a metric that has none."""
    chance = candidate.chance
    if (chance is not None) != is_mean(task.metric):
        raise ValueError("a chance is of means of shares, and of nothing else")
    if chance is not None:
        least = least_chance(candidate.difference.value - _CLOSE, task.examples, margin)
        if not least * (1 - 1e-3) - _CLOSE <= chance <= 1:
            raise ValueError("a chance is smaller than the difference allows")


def _check_mean(task: Task, candidate: Candidate) -> None:
    """Refuse a difference of means that examples which differ by at most 1 each do not come to."""
    total, differing = candidate.difference.value * task.examples, candidate.differing
    # the difference is rounded, of up to 100,000 examples
    if abs(total) > differing + 1e-3 or (not differing and candidate.difference.low < candidate.difference.high):
        raise ValueError("a difference is larger than what differs")
    gained = (differing + total) / 2
    if task.metric in RATES and abs(gained - round(gained)) > 1e-3:
        raise ValueError("a difference is none of counts")
