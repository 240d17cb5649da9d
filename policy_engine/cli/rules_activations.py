"""`policy rules activations`: which policy is or was in force, and who put it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import ledger_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.cli.waiver_common import audited

_HEADER = (">#", "=Recorded (UTC)", "=Status", "=Policy", "Approved by", "~Reason")


@click.command("activations", epilog="Example: policy rules activations --at 2026-11-01T00:00:00Z")
@click.option(
    "--at",
    type=AsOf(),
    metavar="TIME",
    help="Which was in force at this time, or when this date (UTC) ended.  [default: now]",
)
@output_option
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    at: datetime | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Say which policy was in force, and who activated it."""
    from policy_engine.activations import activations
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.options import now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    moment = at or now().replace(microsecond=999_999)
    with audited(), reading(ctx, ledger, ledger_key) as open_ledger:
        rows = activations(open_ledger)
    counted = [row for row in rows if row.problem is None and row.recorded_at <= moment]
    found = {
        "kind": "ActivationList",
        "at": moment.isoformat().replace("+00:00", "Z"),
        "in_force": counted[-1].document() if counted else None,
        "activations": [row.document() for row in reversed(rows)],
    }
    write_reports(targets, report_writers(lambda: found, lambda: _sections(found)))


def _sections(found: Mapping[str, Any]) -> list[Section]:
    current = found["in_force"]
    if current is None:
        head = Section(lines=[f"no policy was activated before {found['at']}"])
    else:
        pairs = [
            ("policy", current["policy"]),
            ("version", current["version"]),
            ("since", f"{current['recorded_at']}, entry {current['index']}"),
            ("by", ", ".join(current["approved_by"]) or "nobody who signed"),
            ("reason", current["reason"]),
        ]
        head = Section(f"In force at {found['at']}", pairs=pairs)
    rows = [_cells(row) for row in found["activations"]]
    return [head, Section("On record", header=_HEADER, rows=rows)] if rows else [head]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    why = row["reason"] + (f" ({row['problem']})" if row["problem"] else "")
    when = row["recorded_at"][:16].replace("T", " ")
    return str(row["index"]), when, row["status"], row["policy"][:19], ", ".join(row["approved_by"]) or "-", why
