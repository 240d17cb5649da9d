"""`policy catalog refresh`: prices of today into a layer, with their history, shown and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.ledger_writing import officer
from policy_engine.cli.options import Folder, at_option, ledger_options, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.cli.waiver_common import Day, audited
from policy_engine.errors import Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from policy_engine.cli.options import LedgerChoice
    from policy_engine.pricing.quotes import SourceData
    from policy_engine.pricing.refreshing import Refresh

#: How much another clock may be ahead.
_AHEAD = timedelta(minutes=5)


@click.command(
    "refresh",
    short_help="Bring the prices of a layer up to today.",
    epilog="Example: policy catalog refresh --to acme --provider groq --dry-run",
)
@click.option("--to", "layer", metavar="LAYER", type=Folder(path_type=Path), required=True, help="The layer to write.")
@click.option(
    "--from",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A LiteLLM price file.  [default: the data of the installed genai-prices]",
)
@click.option(
    "--data-day",
    metavar="DATE",
    type=Day(),
    help="The day on which the source stood so; with --from it has to be said.",
)
@click.option(
    "--provider", "providers", metavar="NAME", multiple=True, help="Refresh its prices and add its models; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Show what would change; write and record nothing.")
@at_option("The time of the refresh, RFC 3339: of today, unless --backdate is given.  [default: now]")
@click.option("--backdate", is_flag=True, help="Take an --at before today, which changes the prices of days gone by.")
@output_option
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    layer: Path,
    file: Path | None,
    data_day: date | None,
    providers: Sequence[str],
    dry_run: bool,
    at: datetime | None,
    backdate: bool,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Bring the prices in LAYER up to today, show what changed, and record it.

    Nothing is fetched. Refreshed are the models of the catalog at the providers that it has, those of earlier refreshes
    and those named by --provider, from which come new models, too. A price counts from the day of the refresh on, and
    ends where the source states another or none: what was decided for an earlier day stays as it was. A time to come is
    refused.
    """
    from policy_engine.cli.catalog_refresh_shown import as_sections, as_value
    from policy_engine.cli.options import choose_ledger, ledger_files, now
    from policy_engine.cli.output import parse_outputs, spare, write_reports
    from policy_engine.pricing.recording import alone

    targets = parse_outputs(outputs, FORMATS)
    chosen = choose_ledger(ctx, ledger, ledger_key)
    spare(targets, [*([file] if file else []), *ledger_files(chosen)], [layer])
    moment = _moment(at, now(), backdate)
    data = _source(file, data_day, moment.date())
    _check_providers(providers, data.name)

    def work() -> Refresh:
        from policy_engine.pricing.layered import look
        from policy_engine.pricing.refreshing import refresh

        return refresh(look(layer, layers, policy_digest, data.name), data, moment, providers)

    index: int | None = None
    if dry_run:
        found = work()
    else:
        with alone(layer):
            found = work()
            if not found.is_same:
                index = _record(chosen, found)
    write_reports(
        targets, report_writers(lambda: as_value(found, index, dry_run), lambda: as_sections(found, index, dry_run))
    )


def _moment(at: datetime | None, clock: datetime, backdate: bool) -> datetime:
    """Return the time of the refresh, in UTC.

    Raises:
        UsageError: it is to come, or of an earlier day than today and not said to be.
    """
    moment = (at or clock).astimezone(UTC).replace(microsecond=0)
    if moment > clock + _AHEAD:
        message = f"--at {moment.isoformat()} is to come: the clock says {clock.isoformat()}"
        raise UsageError(Problem("time-to-come", message, help="prices count from the day on which they were found"))
    if moment.date() < clock.date() and not backdate:
        message = f"--at {moment.isoformat()} is before today, {clock.date().isoformat()}"
        hint = "prices would change for days that were decided for; --backdate does it all the same"
        raise UsageError(Problem("before-today", message, help=hint))
    return moment


def _check_providers(names: Sequence[str], source: str) -> None:
    from policy_engine.pricing.table import SELLERS

    known = sorted(name for name, seller in SELLERS.items() if source in seller.names)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"one of {', '.join(known)}"
            message = f"no table says under which names `{name}` has which models in {source}"
            raise UsageError(Problem("unknown-name", message, help=hint))


def _source(file: Path | None, stood: date | None, day: date) -> SourceData:
    if file is None:
        from policy_engine.pricing.genai import read_installed

        return read_installed(day, stood)
    from policy_engine.pricing.litellm_file import read_file

    if stood is None:
        message = f"nothing says on which day `{file}` stood so"
        hint = "--data-day DATE: the day on which it was published or fetched"
        raise UsageError(Problem("no-data-day", message, help=hint))
    return read_file(file, stood)


def _record(choice: LedgerChoice, found: Refresh) -> int:
    """Record the refresh, then put the file in place; return the entry's index."""
    from policy_engine.cli.options import opened
    from policy_engine.pricing.recording import check_writable, draft, put_in_place

    check_writable(found)
    who = officer()
    with audited(), opened(choice) as ledger:
        index: int = ledger.append(draft(found, who.personal, who.context)).index
    try:
        put_in_place(found)
    except UsageError as error:
        problem = error.problems[0]
        hint = f"the entry {index} says what was meant; mend that, and refresh again"
        raise UsageError(Problem(problem.code, problem.message, problem.span, hint)) from error
    return index
