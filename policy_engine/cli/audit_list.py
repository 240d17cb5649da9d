"""`policy audit list`: the decisions, or all entries, that the filters select; the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from policy_engine.asking.decision_query import STAGES, VERDICTS
from policy_engine.asking.listing import listed, shown_count
from policy_engine.asking.moments import check_period
from policy_engine.cli.audit_list_shown import sections
from policy_engine.cli.decision_filters import decision_filters, given_filters
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.moments import AsOf
from policy_engine.cli.officer_query import answered, query_options
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, UsageError

__all__ = ["STAGES", "TYPES", "VERDICTS", "command"]

TYPES = (
    "decision all policy-activation waiver-requested waiver-approved waiver-granted waiver-revoked waiver-used "
    "evidence-approved evidence-recorded evidence-revoked probe-attestation evaluation-report rollout-decided "
    "catalog-refreshed erasure disposal hold key-rotation personal-key-rotation export officer-query verification-run "
    "restore anchor heartbeat collection access-token-created access-token-revoked log-ins-failed access-evaluated"
).split()


@click.command("list", epilog="Example: policy audit list --verdict deny --verdict review --since 2026-11-01 -o json")
@click.option(
    "--type",
    "kind",
    metavar="TYPE",
    type=click.Choice(TYPES),
    default="decision",
    show_default=True,
    help=f"Which entries: {', '.join(TYPES)}.",
)
@decision_filters
@click.option("--as-of", type=AsOf(), help="The ledger as it was at this time, or when this date (UTC) ended.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest instead of the newest.")
@click.option("--from", "start", metavar="INDEX", type=click.IntRange(0), help="Go on at this entry: the next page.")
@click.option("--count", "counting", is_flag=True, help="Say how many there are, and list none.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    kind: str,
    limit: int,
    as_of: datetime | None,
    since: datetime | None,
    until: datetime | None,
    oldest_first: bool,
    start: int | None,
    counting: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
    **wanted: Any,
) -> None:
    """List recorded decisions, or with --type other entries.

    Filters are combined: all of them must hold. What is listed is compared with the entries' bytes; what a forged
    column hides is found by `policy audit verify`. Decisions of an older version are on record without what --rule,
    --criterion, --regulation, --model, --deployment and --missing-evidence ask for: their documents are read, of
    10,000 decisions at most, and the answer says where that was not enough.
    """
    from policy_audit.snapshot import open_snapshot

    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if kind != "decision" and (given := given_filters(wanted)):
        message = f"`{given[0]}` selects decisions, and `--type {kind}` lists other entries"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    check_period(since, until)
    page = {"limit": limit, "newest": not oldest_first, "start": start}
    with reading(ctx, ledger, ledger_key) as open_ledger, open_snapshot(open_ledger, as_of=as_of) as snapshot:
        wanted |= {"since": since, "until": until}
        found = listed(snapshot, kind, wanted, page, counting=counting, as_of=as_of)
        answered(ctx, shown_count(found), snapshot.checkpoint)
    write_reports(targets, report_writers(lambda: found, lambda: sections(found)))
