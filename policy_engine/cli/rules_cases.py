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
    from policy_engine.cases import CaseResult, LayerCases
    from policy_engine.coverage.measuring import RuleCoverage


@click.command("test", epilog="Example: policy rules test acme-rules -o json=cases.json -o text")
@layer_directories
@click.option("--coverage", is_flag=True, help="Say what of the rules no case exercises, and print cases that would.")
@output_option
@policy_options
def command(
    directories: Sequence[Path],
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    *,
    coverage: bool,
) -> int:
    """Run all cases of the shipped rules and of the layers at DIR.

    Each case runs on durable_rules, on the three-valued evaluator and on the CEL runtime; a difference between them
    is a failure of its own kind. A failing case, or no case at all, is exit status 4; invalid rules or case files
    are 3. A layer's cases run with that layer on top; the shipped ones run under the shipped rules.

    With --coverage, so is what no case exercises: an outcome; a comparison, membership or flag that is never true, or
    never false, where its opposite would change the outcome; a member of a list; an arm of `?:`; an empty list, or
    one with items, under `exists` and `all`; what a derivation gives. What no facts at all can exercise is told, and
    is status 4 only where the rule can never fire. What can be neither exercised nor proved is listed by its author in
    the case file, under `unreachable:`, with the part as it is printed here and a reason. Effects are no part of a
    rule's cases.
    """
    from policy_engine.cases import gather, run_gathered
    from policy_engine.cli.main import CASES, OK
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    paths = [*layers, *directories]
    if policy_digest is not None:
        load(paths, policy_digest)
    gathered = gather(paths)
    results = run_gathered(gathered)
    found = _measured(gathered) if coverage else None

    def sections() -> list[Section]:
        from policy_engine.cli.rules_coverage import coverage_sections

        return [*_sections(results), *(coverage_sections(found) if found is not None else ())]

    write_reports(targets, report_writers(lambda: _value(results, found), sections))
    covered = found is None or all(rule.passed for rule in found)
    return OK if results and covered and all(result.passed for result in results) else CASES


def _measured(gathered: Sequence[LayerCases]) -> list[RuleCoverage]:
    from policy_engine.coverage.measuring import measure

    return measure(gathered)


def _value(results: Sequence[CaseResult], found: Sequence[RuleCoverage] | None) -> dict[str, Any]:
    from policy_engine.cli.rules_coverage import coverage_value

    covered = {"coverage": coverage_value(found)} if found is not None else {}
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
        **covered,
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
