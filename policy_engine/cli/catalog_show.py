"""`policy catalog show`: everything that the catalog has of one model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.browsing.named import named_model
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers


@click.command(
    "show", short_help="Show everything that is known of a model.", epilog="Example: policy catalog show llama-3-70b"
)
@click.argument("model")
@at_option("Prices as of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    model: str,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Show everything that the catalog has of MODEL, by its name or an alias: each figure with its source and day.

    Prices are shown with their history: which one counts on the day, and why the others do not.
    """
    from policy_engine.browsing.sheet import Sheet
    from policy_engine.browsing.sheet_sections import as_sections
    from policy_engine.browsing.sheet_value import as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    catalog = load(layers, policy_digest).catalog
    sheet = Sheet(catalog, named_model(catalog, model), (at or now()).date())
    write_reports(targets, report_writers(lambda: as_value(sheet), lambda: as_sections(sheet)))
