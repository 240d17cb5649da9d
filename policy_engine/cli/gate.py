"""`policy gate`: the same decisions for CI, where the exit status is the verdict.

INVARIANT: whatever its subject could steer (policy.toml beside it, the clock, the default ledger) does not count.
"""

from __future__ import annotations

from datetime import datetime

import click

from policy_engine.cli.options import LedgerChoice, in_ci, now
from policy_engine.cli.run_options import Run, run_options
from policy_engine.errors import Problem, UsageError

CLOCK_TOLERANCE_S = 300


@click.command("gate", epilog="Example: policy gate workload.yaml --ledger postgresql+psycopg://ledger/policy")
@run_options()
def command(run: Run) -> int:
    """Decide each workload as evaluate does, and exit by the verdicts.

    0: every workload is allow or allow_with_conditions. 1: at least one deny. 5: no deny, at least one review. 2: a
    file is invalid. 3: the rules are. 6: the ledger refused. Where several apply, 6, 3, 2, 1, 5, 0: the first wins.
    """
    from policy_engine.cli.deciding import decide_files
    from policy_engine.cli.main import CONDITION, OK, REVIEW, USAGE, first_of, show_error
    from policy_engine.cli.reports import report

    _check_ledger(run.ledger)
    _check_clock(run.at, run.ledger)
    judged = decide_files(run, show_error, use_cache=False)
    by_verdict = {"deny": CONDITION, "review": REVIEW, "allow": OK, "allow_with_conditions": OK}
    statuses = [by_verdict[verdict] for verdict in judged.verdicts]
    if judged.invalid or not judged.decisions:
        statuses.append(USAGE)
    statuses.append(report(judged, run))
    return first_of(statuses)


def _check_ledger(choice: LedgerChoice) -> None:
    if in_ci() and not choice.explicit:
        message = "in CI the gate wants to be told its ledger"
        choices = "sqlite:///PATH, postgresql+psycopg://..., spool:DIR, or sqlite:///:memory: to try"
        hint = f"give --ledger (or POLICY_LEDGER): {choices}"
        raise UsageError(Problem("no-ledger", message, help=hint))


def _check_clock(at: datetime, choice: LedgerChoice) -> None:
    if choice.scratch:
        return
    off = abs((at - now()).total_seconds())
    if off > CLOCK_TOLERANCE_S:
        message = f"--at is {off:,.0f} seconds off the clock, and the gate allows {CLOCK_TOLERANCE_S}"
        hint = "leave --at out, or try it against --ledger sqlite:///:memory:"
        raise UsageError(Problem("clock", message, help=hint))
