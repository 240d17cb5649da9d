"""`policy evaluate`: decide, record, explain. It informs: the exit status does not depend on the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import click

from policy_engine.cli.doubting import doubting
from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.run_options import Run, run_options

FAIL_ON = ("deny", "review", "allow_with_conditions")


@click.command(
    "evaluate",
    cls=HelpAlone,
    epilog="Example: policy evaluate workload.yaml -o text -o json=decision.json",
)
@run_options(
    click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 where a verdict is this or worse.")
)
def command(run: Run, fail_on: str | None) -> int:
    """Decide each workload, record each decision, and explain it.

    PATH is a workload file, a folder with all YAML below it, or a quoted pattern such as 'teams/**/*.yaml'; - reads
    standard input. The exit status is 0 whatever the verdicts are, unless --fail-on
    asks otherwise; 2 where a file is invalid, 3 where the rules are, 6 where the ledger refuses.
    """
    from policy_engine.ci.judged import Judged
    from policy_engine.cli.deciding import decide_files
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.reports import report, report_failure, take_away

    take_away(run.for_ci)
    judged = Judged()
    try:
        if run.server is not None:
            from policy_engine.cli.served import decide_on_server

            with doubting(run.server):
                decide_on_server(run, show_error, judged, collect=run.wants_findings)
        else:
            decide_files(run, show_error, judged=judged, collect=run.wants_findings)
    except BaseException as error:  # CI systems hear of it, as they do of the gate
        report_failure(judged, run, error)
        raise
    statuses = [OK]
    if judged.problems:
        statuses.append(USAGE)
    if fail_on is not None and _is_met(fail_on, judged.verdicts):
        statuses.append(CONDITION)
    with doubting(run.server):
        return first_of([*statuses, report(judged, run, first_of(statuses))])


def _is_met(limit: str, verdicts: Sequence[str]) -> bool:
    from policy_engine.model.task_case import VERDICTS

    order: tuple[str, ...] = VERDICTS
    return any(order.index(verdict) >= order.index(limit) for verdict in verdicts)
