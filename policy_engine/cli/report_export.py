"""`policy audit report NAME --export FOLDER`: a report as a folder that others check without the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.asking.exporting import Asked
from policy_engine.cli.exporting import UNRECORDED, exporting, recorder
from policy_engine.cli.officer_query import EXPORTED, command_line
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import Section
from policy_engine.errors import Problem, UsageError
from policy_engine.exports.evidence import MODES
from policy_engine.exports.folder import refuse_taken

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded

    from policy_engine.reports.report import Report

F = TypeVar("F", bound=Callable[..., Any])
TABLES = ("csv", "jsonl", "parquet", "html")
_MOST_TEXT = 4000


def export_options(command: F) -> F:
    """`--export`, and what goes with it alone."""
    for option in (
        click.option(
            "--unrecorded", is_flag=True, help="With --export: make no entry of it; for a ledger without key."
        ),
        click.option("--with-personal", is_flag=True, help="With --export: persons, too; that is put on record."),
        click.option("--proofs", type=click.Choice(MODES), help="With --export: entries that come with proof."),
        click.option(
            "--format", "export_format", type=click.Choice(TABLES), help="With --export: the table.  [default: csv]"
        ),
        click.option(
            "--export",
            metavar="FOLDER",
            type=click.Path(path_type=Path),
            help="Write it into a new folder, with manifest, proofs and checkpoint; that is put on record.",
        ),
    ):
        command = option(command)
    return command


def take_options(given: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of an export out of those that were given; None where none is asked for.

    Raises:
        UsageError: one that goes with `--export` alone was given without it.
    """
    found = {name: given.pop(name) for name in EXPORTED}
    if found["export"] is not None:
        return found
    spare = [name for name in EXPORTED if found[name]]
    if spare:
        option = "--format" if spare[0] == "export_format" else f"--{spare[0].replace('_', '-')}"
        raise UsageError(Problem("usage", f"`{option}` goes with `--export`", help="give both, or neither"))
    return None


def export_report(
    ctx: click.Context,
    place: tuple[str | None, Path | None],
    wanted: Mapping[str, Any],
    make: Callable[[Ledger], Report],
) -> tuple[Report, dict[str, Any], list[Section]]:
    """Make the report and write it to the folder; return it with what is said of the export, as JSON and to people.

    INVARIANT: no person stands in what is recorded or handed out, but in columns where --with-personal asks for them.
    """
    from policy_engine.asking.export_tables import write_report

    # the entry of the export says what was asked, and how much was found: another one would say it again
    ctx.params["record_query"] = ctx.params["record_query"] and wanted["unrecorded"]
    refuse_taken(wanted["export"])
    name, made = wanted["export_format"] or "csv", []
    with exporting(ctx, *place, wanted["unrecorded"]) as ledger:
        report = make(ledger)
        command = command_line(ctx, persons=False)
        shown = replace(report, query=replace(report.query, command=command))
        shown = shown if wanted["with_personal"] else shown.without_persons()
        put = recorder(ledger, name, _about(ctx, report))

        def record(body: Mapping[str, Any]) -> Recorded:
            made.append(put({**body, "command": command[:_MOST_TEXT]}))
            return made[-1]

        with progress("exporting") as tell:
            asked = Asked(ledger, wanted["export"], False, tell, record, name, not wanted["unrecorded"], wanted)
            written = write_report(asked, shown, personal=any(column.personal for column in shown.columns))
    entry = made[0].index if made else None
    value = {"kind": "Export", "format": name, "report": report.name, **written.value, "entry": entry, "ok": report.ok}
    recorded = f"entry {entry} records this export" if made else UNRECORDED
    return report, value, [Section(pairs=[*written.pairs, ("On record", recorded)])]


def _about(ctx: click.Context, report: Report) -> dict[str, str]:
    """Return the person whom a question is about: a question that found nothing puts nobody into the ledger."""
    from policy_engine.access.officer_reads import PERSONS

    found = next((ctx.params[name] for name in sorted(PERSONS) if ctx.params.get(name)), None)
    return {"subject": found} if found and report.population else {}
