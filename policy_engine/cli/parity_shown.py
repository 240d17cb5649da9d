"""What `policy parity` prints and draws: one document for programs, sections for people, a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from policy_engine.cli.parity_asked import Question
from policy_engine.cli.parity_record import how_to_name
from policy_engine.cli.parity_words import NAMES, SAID, interval_text, short, signed
from policy_engine.cli.sections import Section
from policy_engine.parity.comparing import Comparison
from policy_engine.parity.scoring import Scored
from policy_engine.vouching.evaluation import Candidate, Evaluation, Task

_MOST_LABELS = 12


class Shown(Struct, frozen=True):
    """What is shown: what was asked and found, what of it is on record, and why it would be no evidence."""

    asked: Question
    found: Comparison
    kept: dict[str, Any] | None
    problem: str | None


def as_value(shown: Shown) -> dict[str, Any]:
    """Return the comparison as one JSON value; metrics and differences are shares, and null does not apply."""
    asked, found = shown.asked, shown.found
    report = msgspec.to_builtins(found.report)
    files = [msgspec.to_builtins(each) for each in report["answers"]]
    for place, each in enumerate(files):
        each |= {
            "role": "candidate" if place else "current",
            "file": str(asked.files[place].path),
            **found.speed[place],
        }
    tasks = report["tasks"]
    for place, task in enumerate(tasks):
        scored = found.scored[place]
        sides = [task["current"], *task["candidates"]]
        for side, metrics in zip(sides, scored.metrics, strict=True):
            side["metrics"] = dict(metrics)
        task |= {"examples_needed": found.needed[place], "needed_of_each_label": scored.coded is not None}
        task["confusion"] = _confusion_value(scored, [side["model"] for side in sides]) if _confused(scored) else None
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "Parity",
        "workload": asked.workload.identity if asked.workload is not None else None,
        "golden": {**report["golden"], "file": str(asked.golden.path)},
        "answers": files,
        **{name: report[name] for name in ("margin", "confidence", "resamples", "seed")},
        "confidence_of_each_candidate": 1 - (1 - found.report.confidence) / (len(files) - 1),
        "tasks": tasks,
        "tasks_without_examples": list(asked.left_out),
        "evidence_problem": shown.problem,
        "record": shown.kept,
    }


def _confused(scored: Scored) -> bool:
    return any(scored.confusion)


def _confusion_value(scored: Scored, models: list[str]) -> dict[str, Any]:
    return {
        "labels": list(scored.labels),
        "models": [
            {"model": model, "counts": [row[:-1] for row in rows], "no_label": [row[-1] for row in rows]}
            for model, rows in zip(models, scored.confusion, strict=True)
        ],
    }


def as_sections(shown: Shown) -> list[Section]:
    """Return the comparison for people: the verdicts first, then each task, then what was compared and by what."""
    asked, found, kept = shown.asked, shown.found, shown.kept
    header = ("=Verdict", "=Task", "=Candidate", ">Difference", ">Interval", "~Why")
    rows = [
        (SAID[each.verdict], task.name or "-", each.model, signed(each.difference.value), interval_text(each),
         why(found.report, task, each, found.needed[place], found.scored[place]))
        for place, task in enumerate(found.report.tasks)
        for each in task.candidates
    ]  # fmt: skip
    sections = [Section(f"Parity with {found.report.answers[0].model}", header=header, rows=rows)]
    for task, scored in zip(found.report.tasks, found.scored, strict=True):
        sections += _task(task, scored)
    sections.append(Section("Compared", pairs=list(_compared(asked, found))))
    if notes := list(_notes(shown)):
        sections.append(Section("To note", lines=notes))
    if kept is not None:
        sections.append(Section("On record", lines=how_to_name(kept)))
    return sections


def why(report: Evaluation, task: Task, candidate: Candidate, needed: int, scored: Scored) -> str:
    """Say what a verdict rests on."""
    margin, name = f"{report.margin:g}", NAMES[task.metric]
    if candidate.verdict == "too_few":
        of = "of each label " if scored.coded is not None else ""
        truth = scored.coded.truth if scored.coded is not None else ()
        fewest = min(Counter(truth).values(), default=task.examples)
        return f"a margin of {margin} takes {needed:,} examples {of}at least, and there are {fewest:,}"
    return {
        "better": f"the whole interval of {name} is above 0",
        "equivalent": f"not worse by more than {margin} of {name}",
        "worse": f"worse by more than {margin} of {name}",
        "inconclusive": _open(candidate, report.margin, name),
    }[candidate.verdict]


def _open(candidate: Candidate, margin: float, name: str) -> str:
    """Say what an open comparison lacks; the stricter bound may be open where the interval shown is not."""
    if candidate.difference.low > -margin:
        return f"worse by {margin:g} of {name} stays possible, with so few examples that differ: more tell"
    return f"the interval of {name} goes below -{margin:g}: more examples tell"


def _task(task: Task, scored: Scored) -> Iterator[Section]:
    models = [task.current.model, *(each.model for each in task.candidates)]
    names = [name for name in NAMES if any(of.get(name) is not None for of in scored.metrics)]
    said = {name: f"{NAMES[name]}, decides" if name == task.metric else NAMES[name] for name in names}
    rows = [(said[name], *(_share(of.get(name)) for of in scored.metrics)) for name in names]
    title = f"{task.name or 'Examples'}{f', {task.kind}' if task.kind else ''}: {task.examples:,} examples"
    yield Section(title, header=("=Metric (0 to 1)", *(f">{short(each)}" for each in models)), rows=rows)
    if 0 < len(scored.labels) <= _MOST_LABELS:
        for model, counts in zip(models, scored.confusion, strict=True):
            header = ("=Right label", *(f">{short(each)}" for each in scored.labels), ">no label")
            lines = [
                (short(label), *(f"{each:,}" for each in row)) for label, row in zip(scored.labels, counts, strict=True)
            ]
            yield Section(f"{task.name or 'Examples'}, as {short(model)} answered: examples", header=header, rows=lines)


def _compared(asked: Question, found: Comparison) -> Iterator[tuple[str, str]]:
    report = found.report
    yield "golden dataset", f"{asked.golden.path}, {report.golden.examples:,} examples, sha256 {report.golden.sha256}"
    for file, speed in zip(asked.files, found.speed, strict=True):
        yield file.model, ", ".join([str(file.path), *_speed(speed), f"sha256 {file.sha256}"])
    many = len(asked.files) - 1
    each = f", of which each of {many} candidates has its part (Bonferroni)" if many > 1 else ""
    yield "interval", f"{report.confidence:g} of {report.resamples:,} paired draws, seed {report.seed}{each}"
    yield "margin", f"{report.margin:g} of the metric"


def _speed(speed: Mapping[str, float | None]) -> Iterator[str]:
    if speed["latency_p50_ms"] is not None and speed["latency_p95_ms"] is not None:
        yield f"{speed['latency_p50_ms']:,.0f} ms at the median and {speed['latency_p95_ms']:,.0f} ms at p95"
    if speed["usd_per_answer"] is not None:
        yield f"{1000 * speed['usd_per_answer']:,.2f} USD for 1,000 answers"


def _notes(shown: Shown) -> Iterator[str]:
    asked, found = shown.asked, shown.found
    if shown.problem is not None and shown.kept is None:
        yield f"on record this would be no evidence of the migration: {shown.problem}"
    if asked.left_out:
        yield f"no example is of the task {', '.join(asked.left_out)}"
    if len(asked.files) == 2:
        yield "a short list has two or three candidates (MIGRATE-02)"
    for scored in found.scored:
        if len(scored.labels) > _MOST_LABELS:
            where = "stands in -o json" if _confused(scored) else "is left out"
            yield f"the confusion of {len(scored.labels):,} labels {where}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def draw(plot: Path, found: Comparison) -> None:
    """Draw each candidate on each task."""
    from policy_engine.plots.parity import Bar, draw_parity

    report = found.report
    bars = [
        Bar(f"{task.name}: {each.model}" if task.name else each.model, each.difference.value, each.difference.low,
            each.difference.high, SAID[each.verdict])
        for task in report.tasks
        for each in task.candidates
    ]  # fmt: skip
    draw_parity(plot, f"Parity with {report.answers[0].model}", bars, report.margin)
