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
@click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 where a verdict is this or worse.")
@output_options(FORMATS)
@decision_options
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    files: Sequence[str],
    all_rules: bool,
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
    from policy_engine.cli.deciding import decide_files
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.reports import writers
    from policy_engine.model.task_case import VERDICTS

    targets = parse_outputs(outputs, FORMATS)
    choice = choose_ledger(ctx, ledger, ledger_key)
    judged = decide_files(files, layers, policy_digest, choice, at or now(), purpose)
    for error in judged.problems:
        show_error(error)
    if judged.decisions:
        write_reports(targets, writers(judged, all_rules, verbose, quiet))
    statuses = [USAGE] if judged.problems else [OK]
    if fail_on is not None:
        limit = VERDICTS.index(fail_on)  # type: ignore[arg-type]
        statuses += [CONDITION for verdict in judged.verdicts if VERDICTS.index(verdict) >= limit]  # type: ignore[arg-type]
    return first_of(statuses)


