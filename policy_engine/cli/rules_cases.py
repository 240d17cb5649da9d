"""`policy rules test`: every case of every rule, on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import layer_directories, output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_engine.cases import CaseResult


@click.command("test", epilog="Example: policy rules test acme-rules -o json=cases.json -o text")
@layer_directories
@output_option
@policy_options
def command(
    directories: Sequence[Path], outputs: Sequence[str], layers: Sequence[Path], policy_digest: str | None
) -> int:
    """Run all cases of the shipped rules and of the layers at DIR.

    Each case runs on durable_rules, on the three-valued evaluator and on the CEL runtime; a difference between them
    is a failure of its own kind. A failing case, or no case at all, is exit status 4; invalid rules or case files
    are 3. A layer's cases run with that layer on top; the shipped ones run under the shipped rules.
    """
    from policy_engine.cases import run_all
    from policy_engine.cli.main import CASES, OK
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    paths = [*layers, *directories]
    if policy_digest is not None:
        load(paths, policy_digest)
    results = run_all(paths)
    write_reports(targets, report_writers(lambda: _value(results), lambda: _sections(results)))
    return OK if results and all(result.passed for result in results) else CASES


def _value(results: Sequence[CaseResult]) -> dict[str, Any]:
    return {
        "kind": "CaseResults",
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "cases": [
            {
                "rule": result.case.rule,
                "name": result.case.name,
                "place": str(result.case.span),
                "expected": result.case.outcome,
                "outcomes": dict(result.outcomes),
                "failures": [{"kind": failure.kind, "message": failure.message} for failure in result.failures],
            }
            for result in results
        ],
    }


def _sections(results: Sequence[CaseResult]) -> list[Section]:
    from policy_engine.cases import ENGINES

    failed = [result for result in results if not result.passed]
    lines = [
        f"{result.case.span}: {result.case.rule}: {result.case.name}: {failure.message} [{failure.kind}]"
        for result in failed
        for failure in result.failures
    ]
    if not results:
        summary = "no case was found"
    else:
        rules = len({result.case.rule for result in results})
        engines = ", ".join(ENGINES)
        summary = f"{len(results)} cases of {rules} rules on {engines}: "
        summary += f"{len(failed)} failed" if failed else "all came out as they say"
    return [*([Section(title="failures", lines=lines)] if lines else []), Section(lines=[summary])]
