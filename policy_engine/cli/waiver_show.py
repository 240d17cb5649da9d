"""`policy waiver show`: one waiver, in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.cli.waiver_common import audited, by_file, left_out, of_another, scope_text
from policy_engine.wording import listed, value_text


@click.command("show", epilog="Example: policy waiver show 4f1c2a7e --policy acme")
@click.argument("identifier", metavar="ID")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    identifier: str,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Show one waiver: what it lifts and why, who asked and approved, and every decision that used it."""
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.waivers.listing import find_row
    from policy_engine.waivers.register import waiver_register

    targets = parse_outputs(outputs, FORMATS)
    approvers = load(layers, policy_digest).approvers if layers or policy_digest else None
    with audited(), reading(ctx, ledger, ledger_key) as open_ledger:
        row = find_row(waiver_register(open_ledger, now(), approvers, left_out), identifier)
    found = {"kind": "WaiverRecord", **row}
    write_reports(targets, report_writers(lambda: found, lambda: _sections(found)))


def _sections(row: Mapping[str, Any]) -> list[Section]:
    status = row["status"] + (f" at {row['revoked_at']}: {row['revoked_why']}" if row["revoked_at"] else "")
    pairs = [
        ("status", status),
        ("rule", row["rule"]),
        ("scope", scope_text(row)),
        ("period", f"{row['valid_from']} through {row['valid_until']}"),
        ("reason", row["reason"]),
        ("ticket", row["ticket"]),
        ("requester", f"{_name(row['requester'])} ({row['requester_known_by']})"),
        ("request", _entry(row["requested_index"], "not on record here")),
        *([("signed by", _signed(row))] if row["signed"] and row["granted_index"] is None else []),
        ("granted", _entry(row["granted_index"], "no") + (f", {row['granted_at']}" if row["granted_at"] else "")),
        ("approved by", _approved_by(row)),
        ("keys", ", ".join(" ".join(filter(None, (each["by"], each["key"]))) for each in row["approvals"]) or "none"),
        ("signatures", row["signatures"] or "not verified here"),
        ("decision", row["decision"]),
    ]
    if row["self_approved"] or row["same_actor"]:
        pairs.append(("finding", "requester and approver are one by name, or one ran both commands"))
    if row["by_file_index"] is not None and row["granted_index"] is None:
        pairs.append(("finding", by_file(row)))
    if row["elsewhere"]:
        pairs.append(("finding", of_another(row)))
    elif row["granted_index"] is not None and not row["requester_as_signed"]:
        told = row["requester_as_signed"] is False
        text = "the grant names another requester than was signed" if told else "who asked for it cannot be told"
        pairs.append(("finding", f"{text}: it lifts nothing"))
    facts = [f"{name} = {value_text(value)}" for name, value in sorted(row["facts"].items())]
    facts += [f"{name} was not known" for name in row["missing"]]
    late = {use["index"] for use in row["used_out_of_time"]}
    uses = [
        f"entry {use['index']}, decision {str(use['decision'])[:12]} of {use['decided_at']}"
        + (f", recorded at {use['recorded_at']} by its runner's clock" if use["collected"] else "")
        + (": OUT OF ITS TIME" if use["index"] in late else "")
        for use in row["uses"]
    ]
    sections = [Section(f"Waiver {row['id']}", pairs=pairs), Section("Facts that decided", lines=facts)]
    return [*sections, Section("Used by", lines=uses)] if uses else sections


def _signed(row: Mapping[str, Any]) -> str:
    """Say who has signed a waiver that needs more people."""
    return listed([f"{each['by']} (entry {each['index']})" for each in row["signed"]])


def _approved_by(row: Mapping[str, Any]) -> str:
    """Say who approved: the names that its grant holds; of a file, the ids of those in the policy who signed it."""
    if row["granted_index"] is not None or row["by_file_index"] is None:
        return listed([_name(name) for name in row["approvers"]]) or "nobody"
    return listed(list(dict.fromkeys(each["by"] for each in row["approvals"] if each["by"]))) or "not told here"


def _name(value: str | None) -> str:
    return value if value is not None else "(not held any more)"


def _entry(index: int | None, otherwise: str) -> str:
    return f"entry {index}" if index is not None else otherwise
