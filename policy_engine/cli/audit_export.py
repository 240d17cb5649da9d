"""`policy audit export`: what is on record, as files that others read and verify. Every export is on record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.asking.exporting import FORMATS, Asked, write_format
from policy_engine.cli.export_selection import refuse_selection, selection_options
from policy_engine.cli.exporting import UNRECORDED, exporting, recorder
from policy_engine.cli.options import ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS as OUTPUTS
from policy_engine.cli.sections import Section, report_writers
from policy_engine.errors import Problem, UsageError


@click.command("export", epilog="Example: policy audit export q3/ --format csv --since 2026-07-01 --until 2026-09-30")
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    default="tlog",
    show_default=True,
    help="; ".join(f"{name}: {text}" for name, (_, text) in FORMATS.items()) + ".",
)
@selection_options
@click.option("--documents", is_flag=True, help="Also the documents that entries name: workloads, decisions, rules.")
@click.option("--unrecorded", is_flag=True, help="Make no entry of this export; for a ledger without its key.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(OUTPUTS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: Path,
    name: str,
    documents: bool,
    unrecorded: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    **wanted: Any,
) -> None:
    """Export the ledger up to its latest checkpoint.

    `tlog` holds the whole log, and extends an older export of it in FOLDER. The other formats hold the decisions that
    the filters select, in a new folder, with a manifest of SHA-256s, the checkpoint, and proofs of the entries; `policy
    audit export-check` checks them without the ledger. Every export leaves an entry of the type `export`: who, when,
    what was asked, the checkpoint's size and root. Personal values are held only where --with-personal asks for them.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, OUTPUTS)
    _check_options(name, documents, wanted)
    made: list[Any] = []
    with exporting(ctx, ledger, ledger_key, unrecorded) as open_ledger, progress("exporting") as tell:
        put = None if unrecorded else recorder(open_ledger, name)

        def record(body: Mapping[str, Any]) -> Any:
            if put is not None:
                made.append(put(body))
            return made[-1] if made else None

        asked = Asked(open_ledger, target, documents, tell, record, name, not unrecorded, wanted)
        written = write_format(name, asked)
    entry = made[0].index if made else None
    value = {"kind": "Export", "format": name, **written.value, "entry": entry}
    recorded = f"entry {entry} records this export" if made else UNRECORDED
    pairs = [*written.pairs, ("On record", recorded)]
    write_reports(targets, report_writers(lambda: value, lambda: [Section(pairs=pairs)]))


def _check_options(name: str, documents: bool, wanted: Mapping[str, Any]) -> None:
    """Refuse options of one kind of format that are given with the other.

    Raises:
        UsageError: with the first of them.
    """
    if name == "tlog":
        refuse_selection(name, wanted)
    elif documents:
        message = f"`--documents` goes with `--format tlog`, and not with `--format {name}`"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
