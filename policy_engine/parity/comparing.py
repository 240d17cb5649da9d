"""Compare models on a golden dataset, task by task: the report, and what is shown beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from policy_engine.parity.labels import Coded
from policy_engine.parity.reading import AnswerFile, GoldenFile, Problems
from policy_engine.parity.resampling import chance_of, draws, interval, of_macro, of_means
from policy_engine.parity.scoring import Asked, Scored, score
from policy_engine.vouching.evaluation import (
    FEWEST,
    Answers,
    Candidate,
    Difference,
    Evaluation,
    Golden,
    Side,
    Task,
    alpha_of,
    is_mean,
    judge,
    needed,
    rounded,
    unseen,
)


class Terms(Struct, frozen=True):
    """By what models are compared: margin and confidence are shares."""

    margin: float
    confidence: float
    resamples: int
    seed: int


class Comparison(Struct, frozen=True):
    """The report, and of each task what was measured; `needed` is how many examples the margin takes, by task.

    Where a macro average decides, so many are needed of each label.
    """

    report: Evaluation
    scored: tuple[Scored, ...]
    needed: tuple[int, ...]
    speed: tuple[Mapping[str, float | None], ...]


def compare(golden: GoldenFile, files: Sequence[AnswerFile], asked: Sequence[Asked], terms: Terms,
            problems: Problems) -> Comparison:  # fmt: skip
    """Compare the models; the first of `files` is the one in use.

    Raises:
        InputError: something of a file cannot be compared so.
    """
    found = [score(each, problems) for each in asked]
    problems.raise_any()
    scored = tuple(each for each in found if each is not None)
    alpha = alpha_of(terms.confidence, len(files) - 1)
    tasks = [_task(number, *both, terms) for number, both in enumerate(zip(asked, scored, strict=True))]
    report = Evaluation(
        golden=Golden(golden.sha256, golden.content_sha256, len(golden.examples)),
        answers=tuple(Answers(each.model, each.sha256, each.content_sha256) for each in files),
        margin=terms.margin,
        confidence=terms.confidence,
        resamples=terms.resamples,
        seed=terms.seed,
        tasks=tuple(tasks),
    )
    least = tuple(_least(each, terms.margin, alpha) for each in scored)
    return Comparison(report, scored, least, tuple(_speed(each) for each in files))


def _least(scored: Scored, margin: float, alpha: float) -> int:
    """Return how many examples are enough for a verdict, if nothing differs; of each label where a macro average is."""
    of_all = max(FEWEST, needed(margin, alpha))
    if scored.coded is None:
        return of_all
    labels = len(scored.coded.labels)
    return max(needed(margin * labels, alpha), math.ceil(of_all / labels))


def _task(number: int, asked: Asked, scored: Scored, terms: Terms) -> Task:
    examples = len(asked.examples)
    alpha = alpha_of(terms.confidence, len(asked.files) - 1)
    blocks = draws(examples, terms.resamples, terms.seed, number)
    macro = scored.coded
    differences = of_macro(macro, asked.metric, blocks) if macro is not None else of_means(scored.each, blocks)
    resolution = rounded(max(_hidden(macro, alpha), unseen(examples, alpha)))
    current = scored.metrics[0][asked.metric] or 0.0
    candidates = []
    for place, file in enumerate(asked.files[1:], 1):
        value = scored.metrics[place][asked.metric] or 0.0
        ends = interval(differences[place - 1], alpha)
        difference = Difference(rounded(value - current), *map(rounded, ends))
        answered = scored.each if macro is None else macro.answers
        pairs = list(zip(answered[0], answered[place], strict=True))
        differing = sum(one != other for one, other in pairs)
        mean = is_mean(asked.metric)
        chance = rounded(chance_of([other - one for one, other in pairs], terms.margin)) if mean else None
        verdict = judge(difference, examples, differing, resolution, terms.margin, alpha, asked.metric, chance)
        candidates.append(Candidate(file.model, rounded(value), difference, differing, chance, verdict))
    side = Side(asked.files[0].model, rounded(current))
    return Task(asked.name, asked.kind, asked.metric, examples, resolution, side, tuple(candidates))


def _hidden(coded: Coded | None, alpha: float) -> float:
    """Return what the label with the fewest examples may hide of an average over all labels; 0 of other metrics."""
    if coded is None:
        return 0.0
    fewest = min(Counter(coded.truth).values())
    return unseen(fewest, alpha) / len(coded.labels)


def _speed(file: AnswerFile) -> Mapping[str, float | None]:
    """Return latencies in milliseconds and cost in US dollars; None unless every answer says it."""
    answers = list(file.answers.values())
    latencies = sorted(each.latency_ms for each in answers if each.latency_ms is not None)
    costs = [each.usd for each in answers if each.usd is not None]
    known = len(latencies) == len(answers)
    return {
        "latency_p50_ms": _percentile(latencies, 0.5) if known else None,
        "latency_p95_ms": _percentile(latencies, 0.95) if known else None,
        "usd_per_answer": math.fsum(costs) / len(costs) if len(costs) == len(answers) else None,
    }


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that so many are not above."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
