"""`policy gate`: the same decisions for CI, where the exit status is the verdict.

INVARIANT: whatever its subject could steer (policy.toml beside it, the clock, the default ledger) does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.cli.options import (
    LedgerChoice,
    choose_ledger,
    decision_options,
    in_ci,
    ledger_options,
    now,
    output_options,
    policy_options,
)
from policy_engine.errors import Problem, UsageError

FORMATS = ("text", "json", "yaml", "markdown")
CLOCK_TOLERANCE_S = 300


@click.command("gate", epilog="Example: policy gate workload.yaml --ledger postgresql+psycopg://ledger/policy")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--all-rules", is_flag=True, help="List the rules that did not fire, too.")
@click.option(
    "--cross-check", is_flag=True, help="Ask the CEL runtime the same conditions; differ, and nothing is decided."
)
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
    """Decide each workload as evaluate does, and exit by the verdicts.

    0: every workload is allow or allow_with_conditions. 1: at least one deny. 5: no deny, at least one review. 2: a
    file is invalid. 3: the rules are. 6: the ledger refused. Where several apply, 6, 3, 2, 1, 5, 0: the first wins.
    """
    from policy_engine.cli.deciding import Run, decide_files
    from policy_engine.cli.main import CONDITION, OK, REVIEW, USAGE, first_of, show_error
    from policy_engine.cli.output import parse_outputs
    from policy_engine.cli.reports import report

    targets = parse_outputs(outputs, FORMATS)
    choice = choose_ledger(ctx, ledger, ledger_key)
    _check_ledger(choice)
    _check_clock(at, choice)
    run = Run(layers, policy_digest, choice, at or now(), purpose, cross_check, use_cache=False)
    judged = decide_files(files, run, show_error)
    by_verdict = {"deny": CONDITION, "review": REVIEW, "allow": OK, "allow_with_conditions": OK}
    statuses = [by_verdict[verdict] for verdict in judged.verdicts]
    if judged.invalid or not judged.decisions:
        statuses.append(USAGE)
    statuses.append(report(judged, targets, all_rules, verbose, quiet))
    return first_of(statuses)


def _check_ledger(choice: LedgerChoice) -> None:
    if in_ci() and not choice.explicit:
        message = "in CI the gate wants to be told its ledger"
        choices = "sqlite:///PATH, postgresql+psycopg://..., or sqlite:///:memory: to try"
        hint = f"give --ledger (or POLICY_LEDGER): {choices}"
        raise UsageError(Problem("no-ledger", message, help=hint))


def _check_clock(at: datetime | None, choice: LedgerChoice) -> None:
    if at is None or choice.scratch:
        return
    off = abs((at - now()).total_seconds())
    if off > CLOCK_TOLERANCE_S:
        message = f"--at is {off:,.0f} seconds off the clock, and the gate allows {CLOCK_TOLERANCE_S}"
        hint = "leave --at out, or try it against --ledger sqlite:///:memory:"
        raise UsageError(Problem("clock", message, help=hint))
