"""`policy gate`: the same decisions for CI, where the exit status is the verdict.

INVARIANT: whatever its subject could steer (policy.toml beside it, the clock, the default ledger) does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.doubting import doubting
from policy_engine.cli.gate_attest import attest_options
from policy_engine.cli.gate_baseline import BASELINE_OPTIONS, keeper
from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.options import LedgerChoice, in_ci, now
from policy_engine.cli.run_options import Run, run_options
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.attesting.statements import Subject
    from policy_engine.ci.judged import Judged

CLOCK_TOLERANCE_S = 300


@click.command(
    "gate", cls=HelpAlone, epilog="Example: policy gate workload.yaml --ledger postgresql+psycopg://ledger/policy"
)
@run_options(*BASELINE_OPTIONS, *attest_options, comment=True)
def command(
    run: Run,
    baseline: Path | None,
    write_baseline: Path | None,
    baseline_reason: str | None,
    baseline_expires: date | None,
    attest: Path | None,
    attest_key: Path | None,
    subjects: Sequence[Subject],
) -> int:
    """Decide each workload as evaluate does, and exit by the verdicts.

    PATH is a workload file, a folder with all YAML below it, or a quoted pattern such as 'teams/**/*.yaml'; - reads
    standard input.

    0: every workload is allow or allow_with_conditions. 1: at least one deny. 5: no deny, at least one review. 2: a
    file is invalid, or none is there. 3: the rules are. 6: the ledger refused. What --attest asks for and cannot have
    is 2 or 6. Where several apply, 6, 3, 2, 1, 5, 0: the first wins.
    """
    from policy_engine.ci.judged import Judged
    from policy_engine.cli.deciding import decide_files
    from policy_engine.cli.gate_attest import clear, prepare, write
    from policy_engine.cli.main import first_of, show_error
    from policy_engine.cli.reports import report, report_failure, take_away

    take_away(run.targets)
    judged = Judged()
    try:
        clear(attest)
        _check(run)
        known = keeper(run, baseline, write_baseline, baseline_reason, baseline_expires)
        known.read()
        attesting = prepare(run, attest, attest_key, subjects)
        gather = attesting.gather if attesting is not None else None
        if run.server is not None:
            from policy_engine.cli.served import decide_on_server

            decide_on_server(run, show_error, judged, collect=True, on_record=gather)
        else:
            decide_files(
                run, show_error, use_cache=False, judged=judged, collect=True, accept=known.accept, on_record=gather
            )
        with doubting(run.server):
            known.finish(judged)
            status = first_of([*_statuses(judged), known.write(judged), write(attesting, judged)])
    except BaseException as error:  # whatever it was, the CI system hears of it, and the command fails by it
        report_failure(judged, run, error)
        raise
    with doubting(run.server):
        return first_of([status, report(judged, run, status)])


def _statuses(judged: Judged) -> list[int]:
    from policy_engine.cli.main import CONDITION, OK, REVIEW, USAGE

    by_effect = {"deny": CONDITION, "review": REVIEW, "condition": OK, "advice": OK}
    statuses = [by_effect[each.effect] for each in judged.workloads]
    if judged.problems or not (judged.workloads or judged.nothing_due):
        statuses.append(USAGE)
    return statuses


def _check(run: Run) -> None:
    """Refuse what a gate may not be given, and what could not be told apart from nothing to judge."""
    _check_ledger(run.ledger)
    _check_clock(run.at, run.ledger)
    if run.unselected is not None:
        raise run.unselected


def _check_ledger(choice: LedgerChoice) -> None:
    if in_ci() and not choice.explicit:
        message = "in CI the gate wants to be told its ledger"
        choices = "sqlite:///PATH, postgresql+psycopg://..., spool:DIR, or sqlite:///:memory: to try"
        hint = f"give --ledger (or POLICY_LEDGER): {choices}; or have a server decide: `policy --server URL gate`"
        raise UsageError(Problem("no-ledger", message, help=hint))


def _check_clock(at: datetime, choice: LedgerChoice) -> None:
    if choice.scratch:
        return
    off = abs((at - now()).total_seconds())
    if off > CLOCK_TOLERANCE_S:
        message = f"--at is {off:,.0f} seconds off the clock, and the gate allows {CLOCK_TOLERANCE_S}"
        hint = "leave --at out, or try it against --ledger sqlite:///:memory:"
        raise UsageError(Problem("clock", message, help=hint))
