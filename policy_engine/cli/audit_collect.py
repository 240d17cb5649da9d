"""`policy audit collect`: put what runners without a ledger spooled on record, once, and say what is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.anchor_options import anchor_errors, config_option, configuration
from policy_engine.cli.collected_files import check_folder, read_runs, remove_collected, write_receipts
from policy_engine.cli.ledger_writing import officer, writing
from policy_engine.cli.options import Folder, ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import PolicyError

if TYPE_CHECKING:
    from policy_audit.anchors.configuration import Configuration
    from policy_audit.ledger import Ledger

    from policy_engine.collecting import Collected

OLDEST_DAYS = 90


@click.command("collect", epilog="Example: policy audit collect spools/* --runs runs.txt --receipts receipts/ --remove")
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=Folder(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--runs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Runs that must be here or on record, one a line: RUN, RUN/ATTEMPT or RUN/ATTEMPT/JOB.",
)
@click.option(
    "--receipts", metavar="DIR", type=Folder(path_type=Path), help="Write the proof file of each decision, by its id."
)
@click.option("--remove", is_flag=True, help="Delete from the spools what is on record.")
@click.option(
    "--oldest",
    metavar="DAYS",
    type=click.IntRange(1, 3650),
    default=OLDEST_DAYS,
    show_default=True,
    help="Refuse decisions that are older, by the runner's clock.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@config_option
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    folders: Sequence[Path],
    runs: Path | None,
    receipts: Path | None,
    remove: bool,
    oldest: int,
    outputs: Sequence[str],
    config: Path | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Put the decisions in folders that `--ledger spool:DIR` wrote to on record.

    Each file is verified as strictly as if its runner lied, and appended once, whoever hands it in how often. Where
    anchors are configured the checkpoint is anchored. The exit status is 6 where a file or a folder is refused, a call
    lacks files, a run of --runs is neither here nor on record, a decision counted evidence or a waiver that was
    revoked, or an anchor fails; everything else is collected all the same.
    """
    from policy_engine.cli.collected_shown import sections, shown
    from policy_engine.cli.main import LEDGER, OK, first_of
    from policy_engine.cli.output import parse_outputs, spare, write_reports

    targets = parse_outputs(outputs, FORMATS)
    spare(targets, [], folders)
    places = configuration(config) if config is not None else None
    wanted = read_runs(runs) if runs is not None else []
    if receipts is not None:
        check_folder(receipts, folders)
    with writing(ctx, ledger, ledger_key) as open_ledger:
        found = _collected(open_ledger, folders, wanted, oldest)
        value: dict[str, Any] = shown(found)
        steps: list[Callable[[], int]] = []
        if receipts is not None:
            steps.append(lambda: write_receipts(open_ledger, found, receipts, value))
        if places is not None:
            steps.append(lambda: _anchored(open_ledger, places, value))
        if remove:
            steps.append(lambda: remove_collected(found, value))
        statuses = [_done(step) for step in steps]
    write_reports(targets, report_writers(lambda: value, lambda: sections(value)))
    return first_of([*statuses, OK if found.whole else LEDGER])


def _done(step: Callable[[], int]) -> int:
    """Take a step after the collection, and return its status: what is on record is told whatever comes of it."""
    from policy_engine.cli.main import show_error, status_of

    try:
        return step()
    except PolicyError as error:
        show_error(error)
        return status_of(error)


def _collected(ledger: Ledger, folders: Sequence[Path], runs: Sequence[str], oldest: int) -> Collected:
    from policy_engine.collecting import Collector

    with progress("collecting") as tell:
        return Collector(ledger, officer(), timedelta(days=oldest)).collect(folders, runs, tell)


def _anchored(ledger: Ledger, places: Configuration, value: dict[str, Any]) -> int:
    """Anchor the checkpoint, and return the status of that."""
    from policy_engine.cli.audit_anchor import anchoring, enough
    from policy_engine.cli.main import LEDGER, OK

    with anchor_errors():
        from policy_audit.anchors.rounds import Rounds, make_anchor

        outcomes = Rounds(ledger, [make_anchor(place) for place in places.places]).once()
    value["anchoring"] = anchoring(outcomes, places)
    return OK if enough(outcomes, places) else LEDGER
