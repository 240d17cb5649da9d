"""`policy evaluate`: decide, record, explain. It informs: the exit status does not depend on the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.cli.options import (
    choose_ledger,
    decision_options,
    ledger_options,
    now,
    output_options,
    policy_options,
)

FORMATS = ("text", "json", "yaml", "markdown")
FAIL_ON = ("deny", "review", "allow_with_conditions")


@click.command(
    "evaluate",
    epilog="Example: policy evaluate workload.yaml -o text -o json=decision.json",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--all-rules", is_flag=True, help="List the rules that did not fire, too.")
@click.option(
    "--cross-check", is_flag=True, help="Ask the CEL runtime the same conditions; differ, and nothing is decided."
)
@click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 where a verdict is this or worse.")
@output_options(FORMATS)
@decision_options
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    files: Sequence[str],
    all_rules: bool,
    cross_check: bool,
    fail_on: str | None,
    outputs: Sequence[str],
    quiet: bool,
    verbose: int,
    at: datetime | None,
    purpose: str,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Decide each workload, record each decision, and explain it.

    FILE is a workload file; - reads standard input. The exit status is 0 whatever the verdicts are, unless --fail-on
    asks otherwise; 2 where a file is invalid, 3 where the rules are, 6 where the ledger refuses.
    """
    from policy_engine.cli.deciding import Run, decide_files
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.output import parse_outputs
    from policy_engine.cli.reports import report

    targets = parse_outputs(outputs, FORMATS)
    run = Run(layers, policy_digest, choose_ledger(ctx, ledger, ledger_key), at or now(), purpose, cross_check)
    judged = decide_files(files, run, show_error)
    statuses = [OK]
    if judged.invalid:
        statuses.append(USAGE)
    if fail_on is not None and _is_met(fail_on, judged.verdicts):
        statuses.append(CONDITION)
    statuses.append(report(judged, targets, all_rules, verbose, quiet))
    return first_of(statuses)


def _is_met(limit: str, verdicts: Sequence[str]) -> bool:
    from policy_engine.model.task_case import VERDICTS

    order: tuple[str, ...] = VERDICTS
    return any(order.index(verdict) >= order.index(limit) for verdict in verdicts)
