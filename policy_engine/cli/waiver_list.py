"""`policy waiver list`: the waivers on record, and where each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.cli.waiver_common import audited, by_file, left_out, of_another, scope_text

_HEADER = ("=Waiver", "=Status", "=Until", ">Used", "Rule", "~Scope, ticket")


@click.command("list", epilog="Example: policy waiver list --expiring 14 --policy acme")
@click.option("--active", "wanted", flag_value="active", help="Granted, in their period, not revoked.  [default]")
@click.option("--expired", "wanted", flag_value="expired", help="Past their last day.")
@click.option("--revoked", "wanted", flag_value="revoked", help="Taken back.")
@click.option("--all", "wanted", flag_value="all", help="All of them, requests that nobody approved included.")
@click.option("--expiring", type=click.IntRange(0), metavar="DAYS", help="Active, and ending within so many days.")
@click.option("--at", type=AsOf(), metavar="TIME", help="As of this time, or of this date (UTC).  [default: now]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    wanted: str | None,
    expiring: int | None,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """List the waivers on record.

    With --policy layers whose approvers.yaml names people, the signatures are verified against them; without, they are
    not, and the list says so.
    """
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.waivers.listing import WANTED, waiver_list
    from policy_engine.waivers.register import waiver_register

    targets = parse_outputs(outputs, FORMATS)
    approvers = load(layers, policy_digest).approvers if layers or policy_digest else None
    with audited(), reading(ctx, ledger, ledger_key) as open_ledger:
        moment = at or now()
        rows = waiver_register(open_ledger, moment, approvers, left_out)
    found = waiver_list(rows, wanted or WANTED[0], expiring, moment, verified=approvers is not None)
    write_reports(targets, report_writers(lambda: found, lambda: [*_sections(found), *_asked(found, at)]))


def _asked(found: Mapping[str, Any], at: datetime | None) -> list[Section]:
    return [Section(pairs=[("As of", found["at"])])] if at is not None else []


def _sections(found: Mapping[str, Any]) -> list[Section]:
    from policy_engine.waivers.listing import is_uncounted

    rows = found["waivers"]
    late = [f"{each['waiver'][:12]} ({each['status']}): {each['told']}" for each in found["used_out_of_time"]]
    if not rows:
        return [Section(lines=["no waiver on record fits", *late])]
    table = Section(header=_HEADER, rows=[_cells(row) for row in rows])
    lines = [f"{row['id'][:12]}: the signatures do not count: {row['signatures']}" for row in rows if is_uncounted(row)]
    lines += [
        f"{row['id'][:12]}: it lifts nothing: who asked for it cannot be told, or is not whom the grant names"
        for row in rows
        if row["granted_index"] is not None and not row["requester_as_signed"] and not row["elsewhere"]
    ]
    lines += [f"{row['id'][:12]}: {of_another(row)}" for row in rows if row["elsewhere"]]
    lines += [f"{row['id'][:12]}: {by_file(row)}" for row in rows if row["status"] == "file"]
    lines += late
    if not found["verified"]:
        lines.append("the signatures were not verified: --policy names the layers whose approvers.yaml says who may")
    return [table, Section(lines=lines)] if lines else [table]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    scope = f"{scope_text(row)}, {row['ticket']}"
    return row["id"][:12], row["status"], row["valid_until"], str(len(row["uses"])), row["rule"], scope
