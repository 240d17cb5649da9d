"""`policy audit subject`: what the ledger holds of a person, and that somebody asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.persons import ALTERED
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.ledger_writing import given_subject, officer, writing
from policy_engine.cli.options import ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_audit.subjects import SubjectValue

UNRECORDED = "that this was asked is not on record"


@click.command("subject", epilog="Example: policy audit subject olga@acme.example -o json=access.json")
@click.argument("subject", metavar="SUBJECT|-")
@click.option("--unrecorded", is_flag=True, help="Do not put the question on record; the ledger is opened for reading.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    subject: str,
    unrecorded: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Show every entry that holds a personal value of SUBJECT, under which name, and what the entry says.

    SUBJECT is a whole value as it was recorded, in any case and Unicode form; `-` reads it from standard input. The
    question itself is recorded, as an entry of the type officer-query, before the answer is shown.
    """
    from policy_audit.subjects import record_access, subject_access

    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    person = given_subject(subject)
    recorded: int | None = None
    if unrecorded:
        with reading(ctx, ledger, ledger_key) as open_ledger:
            found = subject_access(open_ledger, person)
    else:
        with writing(ctx, ledger, ledger_key) as open_ledger:
            found = subject_access(open_ledger, person)
            recorded = record_access(open_ledger, person, len(found), officer()).index
    shown = {"kind": "SubjectAccess", "recorded_as": recorded, "values": [_value(each) for each in found]}
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))


def _value(each: SubjectValue) -> dict[str, Any]:
    document = each.entry.document
    return {
        "index": each.entry.index,
        "type": each.entry.type,
        "recorded_at": each.entry.recorded_at,
        "name": each.name,
        "value": each.value or None,
        "altered": each.altered,
        "context": document["context"],
        "view": document.get("view", {}),
        "body": document["body"],
    }


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    rows = [
        (
            str(value["index"]),
            value["recorded_at"][:16].replace("T", " "),
            value["type"],
            value["name"],
            ", ".join(part for part in (ALTERED if value["altered"] else value["value"], _about(value)) if part),
        )
        for value in shown["values"]
    ]
    sections = (
        [Section(header=(">#", "=Recorded (UTC)", "=Type", "=As", "~Value, what the entry is about"), rows=rows)]
        if rows
        else []
    )
    count = len({value["index"] for value in shown["values"]})
    found = f"{len(rows):,} value{'' if len(rows) == 1 else 's'} in {count:,} entr{'y' if count == 1 else 'ies'}"
    asked = (
        f"the question is on record as entry {shown['recorded_as']}" if shown["recorded_as"] is not None else UNRECORDED
    )
    return [*sections, Section(lines=[found if rows else "the ledger holds no value of this person", asked])]


def _about(value: Mapping[str, Any]) -> str:
    view, context = value["view"], value["context"]
    place = "/".join(str(part) for name in ("namespace", "workload") if (part := view.get(name, context.get(name))))
    return ", ".join(part for part in (place, view.get("verdict", "")) if part)
