"""`policy audit dispose`: destroy what no retention period and no legal hold covers, and record it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from policy_engine.asking.moments import exact
from policy_engine.cli.audit_erase import LEFT
from policy_engine.cli.audit_retention import due_text
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.ledger_writing import officer, reason_options, writing
from policy_engine.cli.moments import Before
from policy_engine.cli.options import Folder, ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers


@click.command("dispose", epilog='Example: policy audit dispose --dry-run --reason "yearly disposal"')
@click.option(
    "--policy",
    "layers",
    metavar="DIR",
    multiple=True,
    type=Folder(path_type=Path),
    help="A layer whose retention.yaml counts too; repeatable.",
)
@click.option(
    "--before", type=Before(), help="Only entries recorded before this time, or before this date (UTC) began."
)
@reason_options
@click.option("--dry-run", is_flag=True, help="Show what would be disposed of; dispose of and record nothing.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    layers: Sequence[Path],
    before: datetime | None,
    reason: str,
    ticket: str | None,
    dry_run: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Dispose of the personal values and documents that neither a retention period nor a legal hold covers.

    The entries stay, and the ledger verifies: each disposal is an entry that names what went. A document goes once no
    retained entry names it. `policy audit retention` shows the periods.
    """
    from policy_audit.disposing import dispose, survey

    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.loading.retention import read_retention, regulations_of

    targets = parse_outputs(outputs, FORMATS)
    retention = read_retention(layers)
    shown: dict[str, Any] = {"kind": "Disposal", "dry_run": dry_run, "before": exact(before), "entries": []}
    shown["overwritten"] = True
    if dry_run:
        with reading(ctx, ledger, ledger_key) as open_ledger:
            due = survey(open_ledger, retention, regulations_of, before=before)
        shown["due"] = _gone(due.values, due.documents)
    else:
        with writing(ctx, ledger, ledger_key) as open_ledger:
            words: dict[str, Any] = {"reason": reason, "ticket": ticket, "by": officer()}
            done = dispose(open_ledger, retention, regulations_of, before=before, **words)
        shown |= {"entries": list(done.entries), "overwritten": done.overwritten}
        shown["due"] = _gone(done.values, done.documents)
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))


def _gone(values: Sequence[tuple[int, str]], documents: Sequence[str]) -> dict[str, Any]:
    return {"values": [{"index": index, "name": name} for index, name in values], "documents": list(documents)}


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    limit = [Section(pairs=[("Recorded before", shown["before"])])] if shown["before"] is not None else []
    return [*_done(shown), *limit]


def _done(shown: Mapping[str, Any]) -> list[Section]:
    if not shown["due"]["values"] and not shown["due"]["documents"]:
        covered = "a retention period or a legal hold covers everything that is held, or no period is for it"
        return [Section(lines=[f"nothing is due: {covered}; `policy audit retention` counts what covers what"])]
    if shown["dry_run"]:
        return [Section(pairs=[("WOULD DISPOSE", f"{due_text(shown)}; nothing was destroyed or recorded")])]
    entries = ", ".join(map(str, shown["entries"]))
    which = f"entr{'y' if len(shown['entries']) == 1 else 'ies'} {entries}"
    sections = [Section(pairs=[("DISPOSED", f"{due_text(shown)}; on record as {which}")])]
    return sections if shown["overwritten"] else [*sections, Section(lines=[LEFT])]
