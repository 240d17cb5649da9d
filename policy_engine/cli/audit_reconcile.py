"""`policy audit reconcile`: what is deployed, and what callers were handed, against what is on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from policy_engine.asking.moments import check_period
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.moments import AsOf, Since, Until
from policy_engine.cli.officer_query import answered, command_line, query_options
from policy_engine.cli.options import PURPOSES
from policy_engine.cli.sections import FORMATS
from policy_engine.errors import Problem, UsageError


@click.command(
    "reconcile",
    epilog="Example: policy audit reconcile inventory.csv --fail-on findings -o json=findings.json -o text",
)
@click.argument("inventory", metavar="[INVENTORY.csv]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs", metavar="COUNTS.csv", type=click.Path(path_type=Path), help="Decisions that callers got: run, decisions."
)
@click.option("--since", type=Since(), help="With --runs: recorded at this time or date (UTC) or later.")
@click.option(
    "--until", type=Until(), help="With --runs: recorded before this time, or on this date (UTC) at the latest."
)
@click.option(
    "--purpose",
    type=click.Choice((*PURPOSES, "any")),
    default="deploy",
    show_default=True,
    help="What a decision must have been made for.",
)
@click.option(
    "--at", type=AsOf(), help="What has expired by this time, or by the end of this date (UTC).  [default: now]"
)
@click.option("--as-of", type=AsOf(), help="The ledger as it was at this time, or when this date (UTC) ended.")
@click.option("--fail-on", type=click.Choice(("findings",)), help="Exit with 1 where there is a finding.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    inventory: Path | None,
    runs: Path | None,
    since: datetime | None,
    until: datetime | None,
    purpose: str,
    at: datetime | None,
    as_of: datetime | None,
    fail_on: str | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
) -> int:
    """Compare an inventory of what is deployed with the decisions on record.

    INVENTORY.csv has the columns namespace, workload, deployment, model, and may have artefact and deployed_at. The
    last decision on a workload counts. Found are: no decision, none for deploying, denied or only reviewed, another
    deployment or model, expired, deployed before it was decided, and never deployed. With --runs, each caller's count
    of decisions is compared with the entries of its run: an entry that was dropped before it was committed is missing.
    """
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import open_snapshot

    from policy_engine.cli.main import CONDITION, OK
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.report_shown import writers
    from policy_engine.reports.asking import Asked
    from policy_engine.reports.inventory import read_counts, read_inventory
    from policy_engine.reports.reconciling import reconcile

    targets = parse_outputs(outputs, FORMATS)
    if inventory is None and runs is None:
        raise UsageError(Problem("usage", "there is nothing to compare", help="name INVENTORY.csv, --runs, or both"))
    if runs is None and (since is not None or until is not None):
        raise UsageError(Problem("usage", "`--since` and `--until` go with `--runs`", help="--as-of sets a time"))
    check_period(since, until)
    deployed = read_inventory(inventory) if inventory is not None else None
    counts = read_counts(runs) if runs is not None else None
    with reading(ctx, ledger, ledger_key) as open_ledger, open_snapshot(open_ledger, as_of=as_of) as snapshot:
        query = DecisionQuery(since=since, until=until)
        title, line = "Reconciliation", command_line(ctx)
        asked = Asked(snapshot, "reconciliation", title, line, datetime.now(UTC), query, {"at": at, "as_of": as_of})
        report = reconcile(asked, deployed, counts, purpose)
        answered(ctx, report.population, snapshot.checkpoint)
    write_reports(targets, writers(report))
    return CONDITION if fail_on and report.rows else OK
