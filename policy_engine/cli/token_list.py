"""`policy token list`: the tokens on record, and where each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.access.told import token_row
from policy_engine.asking.moments import exact
from policy_engine.cli.options import ledger_options, now
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

_HEADER = ("=Token", "=Status", "Subject", "Roles", "Namespaces", "=Made", "=Ends")
GONE = "(erased, or no key to read it)"


@click.command("list", epilog="Example: policy token list --last-used -o json")
@click.option(
    "--last-used", is_flag=True, help="Say the last entry that each token made, too; reads the whole ledger for it."
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    last_used: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """List the tokens on record: active, expired, revoked, or nobody's, since the subject was erased."""
    from policy_engine.access.tokens import Tokens
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.waiver_common import audited

    targets = parse_outputs(outputs, FORMATS)
    with audited(), reading(ctx, ledger, ledger_key) as source:
        tokens, at = Tokens.read(source).all(), now()
        used = _last_used(source) if last_used else None
    found = {"kind": "TokenList", "at": exact(at), "tokens": [token_row(each, at, used) for each in tokens]}
    write_reports(targets, report_writers(lambda: found, lambda: _sections(found)))


def _last_used(source: Ledger) -> dict[str, tuple[int, str]]:
    """Return the last entry that each token made, by its id: the entries' own bytes say which token it was."""
    found: dict[str, tuple[int, str]] = {}
    for entry in source.walk():
        name = entry.document["context"].get("token")
        if isinstance(name, str):
            found[name] = entry.index, entry.recorded_at
    return found


def _sections(found: Mapping[str, Any]) -> list[Section]:
    rows = found["tokens"]
    if not rows:
        return [Section(lines=["no token is on record: `policy serve` lets everybody in, on loopback alone"])]
    lines = [
        f"{row['id']}: revoked in entry {row['revoked']['entry']}: {row['revoked']['reason']}"
        for row in rows
        if row["revoked"] is not None
    ]
    for row in rows:
        if "last_entry" in row:
            last = row["last_entry"]
            told = f"last used in entry {last['entry']}, at {last['at']}" if last else "no entry was made by it"
            lines.append(f"{row['id']}: {told}")
    table = Section(header=_HEADER, rows=[_cells(row) for row in rows])
    return [table, Section(lines=lines)] if lines else [table]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    namespaces = ", ".join(row["namespaces"]) if row["namespaces"] is not None else "(all)"
    roles = ", ".join(row["roles"])
    days = row["made_at"][:10], row["expires_at"][:10]
    return row["id"], row["status"], row["subject"] or GONE, roles, namespaces, *days
