"""`policy rollout`: the stages of a migration, and each next step by what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path

import click

from policy_engine.cli.evidence_common import workload_option
from policy_engine.cli.options import Place, decision_options, ledger_options, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.waiver_common import Day
from policy_engine.errors import Problem, UsageError

#: As `rollout.deciding.STEPS`, which is not loaded for a help text.
STEPS = ("advance", "hold", "roll_back", "complete")


@click.command("rollout", epilog="Example: policy rollout workload.yaml --observations seen.jsonl --fail-on roll_back")
@click.argument("file", metavar="FILE")
@workload_option
@click.option("--task", "tasks", metavar="NAME", multiple=True, help="Only this task; repeatable.")
@click.option("--begin", is_flag=True, help="Decide which tasks begin their first stage, and record it.")
@click.option(
    "--observations",
    metavar="FILE.jsonl",
    type=Place(),
    multiple=True,
    help="What was seen of the stages that are on: decide each task that is in it; repeatable.",
)
@click.option("--fail-on", type=click.Choice(STEPS), multiple=True, help="Exit 1 where a decision is this; repeatable.")
@click.option("--start", metavar="DATE", type=Day(), help="The first day of the timeline.  [default: the day of --at]")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw the timeline, to .svg or .png.")
@click.option("--rollout-digest", metavar="DIGEST", help="Refuse any other rules of rollouts than this sha256:...")
@output_option
@decision_options
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: str,
    chosen: str | None,
    tasks: Sequence[str],
    begin: bool,
    observations: Sequence[Path],
    fail_on: Sequence[str],
    start: date | None,
    plot: Path | None,
    rollout_digest: str | None,
    outputs: Sequence[str],
    at: datetime | None,
    purpose: str,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Plan the rollout of the migration of FILE by stages, and decide each next step.

    Without --begin and --observations it says the plan: stages, the order of the tasks with the lowest risk first, what
    is watched, the timeline, and where each task stands by the ledger. Nothing is decided or recorded then.

    A decision is made by the rules of rollout.yaml, and recorded before it is shown: advance, hold, roll_back, or
    complete. What is not known never advances. First the workload itself is decided, as `policy evaluate` does, and
    recorded: what is not allowed does not begin or go on. The stage that is on is the one of the last decision on
    record; after a roll back a task begins again.

    Each line of --observations is an object: stage, task, model (current or candidate), at, requests, and as far as
    known errors, quality (0 to 1) and latency_p95_ms. With --task the file may be empty: the task is held then, or
    taken back. What is wrong with one task keeps no other from being decided, and exits with 2.
    """
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.options import choose_ledger, ledger_files, now
    from policy_engine.cli.output import parse_outputs, spare, write_reports
    from policy_engine.cli.rollout_chart import draw
    from policy_engine.cli.rollout_run import Call
    from policy_engine.cli.rollout_shown import as_sections
    from policy_engine.cli.rollout_value import as_value
    from policy_engine.cli.sections import FORMATS, report_writers
    from policy_engine.errors import InputError

    _check(begin=begin, observations=observations, fail_on=fail_on)
    choice = choose_ledger(ctx, ledger, ledger_key)
    targets = parse_outputs(outputs, FORMATS)
    read = [*([Path(file)] if file != "-" else []), *observations, *ledger_files(choice)]
    spare(targets, read, layers)
    if plot is not None:
        _check_plot(plot, [target.path for target in targets], read)
    asked = (tuple(tasks), at or now(), purpose, tuple(layers), policy_digest, start)
    call = Call(choice, file, chosen, *asked, draws=plot is not None, rollout_digest=rollout_digest)
    found = call.decide(begin=begin, observations=observations) if begin or observations else call.plan()
    value = as_value(found)
    more = [] if plot is None else [partial(draw, plot, found)]
    write_reports(targets, report_writers(lambda: value, lambda: as_sections(value)), more)
    if found.problems:
        show_error(InputError(found.problems))
    met = any(row["decision"] in fail_on for row in value["decisions"] if row["counts"])
    return first_of([OK, *([USAGE] if found.problems else []), *([CONDITION] if met else [])])


def _check(*, begin: bool, observations: Sequence[Path], fail_on: Sequence[str]) -> None:
    if begin and observations:
        message = "`--begin` is for what has not begun, and `--observations` for what has"
        raise UsageError(Problem("usage", message, help="decide one, then the other"))
    if fail_on and not (begin or observations):
        message = f"nothing is decided, and `--fail-on {fail_on[0]}` is about decisions"
        raise UsageError(Problem("usage", message, help="give --begin or --observations, or leave --fail-on out"))


def _check_plot(plot: Path, reports: Sequence[Path | None], read: Sequence[Path]) -> None:
    """Refuse a picture that cannot be drawn while nothing has been decided yet."""
    from policy_engine.plots.canvas import check_picture

    if any(path is not None and path.resolve() == plot.resolve() for path in reports):
        raise UsageError(Problem("two-in-one-file", "a report and the picture cannot go to one file"))
    if any(path.resolve() == plot.resolve() for path in read):
        message = f"`{plot}` is read or recorded to by this run, and no place for its picture"
        raise UsageError(Problem("cannot-write", message, help="name another file"))
    check_picture(plot)
