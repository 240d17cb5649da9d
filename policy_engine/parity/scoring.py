"""The metrics of one task: of each model, and of each example by the metric that decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.parity.answers import Right, compare, right, uses_json
from policy_engine.parity.labels import Coded, coded, measure
from policy_engine.parity.lines import LineError
from policy_engine.parity.overlap import MOST_WORDS, overlap, scorer, words
from policy_engine.parity.reading import Answer, AnswerFile, Example, GoldenFile, Problems
from policy_engine.vouching.evaluation import ANSWERS, LABELS, SUMMARIES

Schema = Callable[[Any], bool]


class Scored(Struct, frozen=True):
    """What was measured of one task, the model in use first.

    `metrics` has the values of each model, None where one does not apply; `each` the values of each example by the
    metric that decides, and `coded` the labels where it is a macro average of these. `confusion` is of each model, by
    `labels`.
    """

    metrics: tuple[Mapping[str, float | None], ...]
    each: tuple[tuple[float, ...], ...]
    coded: Coded | None = None
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[tuple[int, ...], ...], ...] = ()


class Asked(Struct, frozen=True):
    """One task: its examples and the answers to them, by which metric, and the schema that answers have to fit."""

    name: str | None
    kind: str | None
    metric: str
    examples: tuple[Example, ...]
    golden: GoldenFile
    files: tuple[AnswerFile, ...]
    schema: Schema | None = None

    def answers(self, model: int) -> list[Answer]:
        """Return the answers of a model, in the order of the examples."""
        return [self.files[model].answers[each.id] for each in self.examples]


def score(asked: Asked, problems: Problems) -> Scored | None:
    """Measure a task; None where an example or an answer cannot be measured so, which is added to `problems`."""
    if asked.metric in ANSWERS:
        return _answers(asked, problems)
    if not _are_texts(asked, problems):
        return None
    return _labels(asked) if asked.metric in LABELS else _summaries(asked, problems)


def family(metric: str) -> tuple[str, ...]:
    """Return the metrics that are measured with this one."""
    return next(each for each in (LABELS, SUMMARIES, ANSWERS) if metric in each)


def _are_texts(asked: Asked, problems: Problems) -> bool:
    wrong = [each for each in asked.examples if not isinstance(each.expected, str) or not each.expected.strip()]
    for each in wrong:
        what = "a label" if asked.metric in LABELS else "a summary"
        problems.add(asked.golden.path, "bad-line", f"its `expected` is no text, and {what} is asked for", each.line)
    return not wrong


def _labels(asked: Asked) -> Scored:
    models = range(len(asked.files))
    found = coded([each.expected for each in asked.examples], [[a.text for a in asked.answers(m)] for m in models])
    measured = [measure(found, model) for model in models]
    right_of = tuple(tuple(float(a == t) for a, t in zip(of, found.truth, strict=True)) for of in found.answers)
    return Scored(
        tuple(each.metrics for each in measured),
        right_of,
        found if asked.metric != "accuracy" else None,
        found.labels,
        tuple(each.confusion for each in measured),
    )


def _summaries(asked: Asked, problems: Problems) -> Scored | None:
    scoring, fine = scorer(), True
    for each in asked.examples:
        if not 0 < len(words(each.expected)) <= MOST_WORDS:
            message = f"its `expected` has no word, or more than {MOST_WORDS:,}"
            problems.add(asked.golden.path, "bad-line", message, each.line)
            fine = False
    for file in asked.files:
        for answer in (file.answers[each.id] for each in asked.examples):
            if len(words(answer.text)) > MOST_WORDS:
                problems.add(file.path, "bad-line", f"its `answer` has more than {MOST_WORDS:,} words", answer.line)
                fine = False
    if not fine:
        return None
    rows = [
        [overlap(scoring, e.expected, a.text) for e, a in zip(asked.examples, asked.answers(model), strict=True)]
        for model in range(len(asked.files))
    ]
    return _of_rows(rows, SUMMARIES, asked.metric)


def _answers(asked: Asked, problems: Problems) -> Scored | None:
    wanted = _wanted(asked, problems)
    if wanted is None:
        return None
    rows = [
        [compare(w, a.text, asked.kind, asked.schema) for w, a in zip(wanted, asked.answers(model), strict=True)]
        for model in range(len(asked.files))
    ]
    # of texts that nobody asked to be JSON it says nothing that they are none
    asks_json = uses_json(wanted) or asked.schema is not None or asked.metric == "json_valid"
    found = _of_rows(rows, ANSWERS, asked.metric)
    return found if asks_json else replace(found, metrics=tuple({**of, "json_valid": None} for of in found.metrics))


def _wanted(asked: Asked, problems: Problems) -> list[Right] | None:
    """Return what each example expects; a schema has to hold of that, too."""
    found: list[Right] = []
    for each in asked.examples:
        try:
            wanted = right(each.expected, asked.kind)
            if asked.schema is not None and not (wanted.is_json and asked.schema(wanted.value)):
                raise LineError("its `expected` is not as the schema has it")
            found.append(wanted)
        except LineError as error:
            problems.add(asked.golden.path, "bad-line", str(error), each.line)
    return found if len(found) == len(asked.examples) else None


def _of_rows(rows: Sequence[Sequence[Mapping[str, float]]], names: Sequence[str], metric: str) -> Scored:
    return Scored(
        tuple({name: _mean(of, name) for name in names} for of in rows),
        tuple(tuple(each[metric] for each in of) for of in rows),
    )


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float | None:
    return sum(each[name] for each in rows) / len(rows) if name in rows[0] else None
