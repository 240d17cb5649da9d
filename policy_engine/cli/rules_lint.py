"""`policy rules lint`: what is wrong, or doubtful, with the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import layer_directories, output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_engine.lint import Finding


@click.command("lint", epilog="Example: policy rules lint acme-rules --strict --at 2026-11-22T00:00:00Z")
@layer_directories
@click.option("--strict", is_flag=True, help="Exit with 3 on warnings, too.")
@click.option(
    "--at", metavar="TIME", type=AsOf(), help="Report rules whose review was due before this time or date (UTC)."
)
@click.option("-v", "--verbose", is_flag=True, help="Show what is merely worth knowing, too.")
@output_option
@policy_options
def command(
    *,
    directories: Sequence[Path],
    strict: bool,
    at: datetime | None,
    verbose: bool,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> int:
    """Check the shipped rules with the layers at DIR over them.

    Beside what loading refuses, and what is wrong with rollout.yaml, it finds rules without cases, texts that name
    facts which may be unknown, thresholds outside parameters.yaml, parameters, criteria and facts that nothing uses,
    reviews that are due, and, of layers, regulations that no retention period is for. Errors are exit status 3,
    warnings 0.
    """
    from policy_engine.cli.main import OK, RULES
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.lint import lint

    targets = parse_outputs(outputs, FORMATS)
    paths = [*layers, *directories]
    if policy_digest is not None:
        load(paths, policy_digest)
    findings = lint(paths, at.date() if at is not None else None)
    if all(finding.severity != "error" for finding in findings):
        findings = [*_rollout_findings(paths), *findings]
    write_reports(targets, report_writers(lambda: _value(findings), lambda: _sections(findings, verbose, bool(paths))))
    found = {finding.severity for finding in findings}
    return RULES if "error" in found or (strict and "warning" in found) else OK


def _rollout_findings(paths: Sequence[Path]) -> list[Finding]:
    """Return what is wrong with rollout.yaml under a policy that loads."""
    from policy_engine.cli.options import load
    from policy_engine.errors import RulesError
    from policy_engine.lint import Finding
    from policy_engine.rollout.register import read_rollout

    try:
        read_rollout(paths, load(paths, None))
    except RulesError as error:
        return [Finding("error", problem) for problem in error.problems]
    return []


def _value(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "kind": "Findings",
        "findings": [
            {
                "severity": finding.severity,
                "code": finding.code,
                "place": str(finding.problem.span) if finding.problem.span else None,
                "message": finding.problem.message,
                "help": finding.problem.help,
            }
            for finding in findings
        ],
    }


def _sections(findings: Sequence[Finding], verbose: bool, layered: bool) -> list[Section]:
    from policy_engine.lint import SEVERITIES
    from policy_engine.lint_registers import NO_PERIOD

    def told(each: Finding) -> bool:
        # which periods there are is for a layer to say, and nobody asks for what is merely worth knowing
        return verbose or each.severity != "info" or (layered and each.code == NO_PERIOD)

    sections = []
    for severity in SEVERITIES:
        lines = [_line(each) for each in findings if each.severity == severity and told(each)]
        if lines:
            sections.append(Section(title=f"{severity}s" if severity != "info" else "worth knowing", lines=lines))
    count = Counter(finding.severity for finding in findings)
    summary = f"{_counted(count['error'], 'error')}, {_counted(count['warning'], 'warning')}"
    more = f", {count['info']} worth knowing (-v shows them)" if count["info"] and not verbose else ""
    return [*sections, Section(lines=[summary + more])]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _line(finding: Finding) -> str:
    problem = finding.problem
    place = f"{problem.span}: " if problem.span else ""
    hint = f"\nhelp: {problem.help}" if problem.help else ""
    return f"{place}{problem.message} [{problem.code}]{hint}"
