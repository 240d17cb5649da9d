"""A report of `policy parity` as `policy audit show` tells it, out of its entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.cli.parity_words import NAMES, SAID, interval_text, signed
from policy_engine.cli.sections import Section
from policy_engine.vouching.evaluation import Evaluation, evaluation_of


def report_sections(body: Mapping[str, Any]) -> list[Section]:
    """Return what the entry says; nothing where it holds no report whose verdicts follow from its figures."""
    try:
        report = evaluation_of(body.get("report"))
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return []
    evidence = body.get("evidence")
    pairs = [
        ("workload", str(body.get("workload"))),
        ("evidence", ", ".join(map(str, evidence)) if isinstance(evidence, list) else str(evidence)),
        ("valid until", str(body.get("valid_until") or "without end")),
        ("report", f"sha256 {body.get('sha256')}"),
        ("golden dataset", f"{report.golden.examples:,} examples, sha256 {report.golden.sha256}"),
        *((f"answers of {each.model}", f"sha256 {each.sha256}") for each in report.answers),
        ("margin", f"{report.margin:g} of the metric"),
        ("interval", f"{report.confidence:g} of {report.resamples:,} draws, seed {report.seed}"),
    ]
    header = ("=Verdict", "=Task", "=Candidate", ">Difference", ">Interval", "~Metric")
    return [Section("Body", pairs=pairs), Section("Compared", header=header, rows=_rows(report))]


def _rows(report: Evaluation) -> list[tuple[str, ...]]:
    return [
        (
            SAID[each.verdict],
            task.name or "-",
            each.model,
            signed(each.difference.value),
            interval_text(each),
            f"{NAMES.get(task.metric, task.metric)} of {task.examples:,} examples:"
            f" {each.value:.4f}, and {task.current.value:.4f} of {task.current.model}",
        )
        for task in report.tasks
        for each in task.candidates
    ]
