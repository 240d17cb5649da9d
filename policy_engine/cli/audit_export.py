"""`policy audit export`: what is on record, as files that others read and verify. Every export is on record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.exporting import FORMATS, UNRECORDED, Asked, exporting, progress_bar, recorder, write_format
from policy_engine.cli.options import ledger_options
from policy_engine.cli.sections import FORMATS as OUTPUTS
from policy_engine.cli.sections import Section, report_writers


@click.command("export", epilog="Example: policy audit export evidence/ --format tlog --documents")
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    default="tlog",
    show_default=True,
    help="; ".join(f"{name}: {text}" for name, (_, text) in FORMATS.items()) + ".",
)
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
) -> None:
    """Export the ledger up to its latest checkpoint.

    An older export of the same ledger in FOLDER is extended. Every export leaves an entry of the type `export`, after
    what it holds: who, when, the format, and the checkpoint's size and root. Neither entries nor documents hold
    personal values.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, OUTPUTS)
    made: list[Any] = []
    with exporting(ctx, ledger, ledger_key, unrecorded) as open_ledger, progress_bar() as progress:
        put = None if unrecorded else recorder(open_ledger, name)

        def record(body: Mapping[str, Any]) -> None:
            if put is not None:
                made.append(put(body))

        written = write_format(name, Asked(open_ledger, target, documents, progress, record))
    entry = made[0].index if made else None
    value = {"kind": "Export", "format": name, **written.value, "entry": entry}
    recorded = f"entry {entry} records this export" if made else UNRECORDED
    pairs = [*written.pairs, ("On record", recorded)]
    write_reports(targets, report_writers(lambda: value, lambda: [Section(pairs=pairs)]))
