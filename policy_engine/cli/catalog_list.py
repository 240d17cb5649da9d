"""`policy catalog list`: the models that the filters select, and those of which it is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.browsing.asked import COMMERCIAL, MODALITIES
from policy_engine.browsing.named import MOST, QUANTIZATIONS
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.model.vocabulary import OPTIONS

_COUNT = click.IntRange(1, MOST)
_EPILOG = 'Example: policy catalog list --open-licence --context 32000 --min-score mmlu=80 --fits "A100 80GB:2"'


@click.command("list", short_help="List the models that the filters select.", epilog=_EPILOG)
@click.option("--open-licence", is_flag=True, help="Open weights, for commercial use as they are or after a review.")
@click.option("--weights", type=click.Choice(("open", "closed")), help="Models whose weights are open, or closed.")
@click.option(
    "--commercial-use",
    "commercial",
    multiple=True,
    type=click.Choice(COMMERCIAL),
    help="What the licence says of it; proprietary: a contract with the vendor. Repeatable: any of them.",
)
@click.option("--modality", "modalities", multiple=True, type=click.Choice(MODALITIES), help="Repeatable: all of them.")
@click.option("--context", metavar="TOKENS", type=_COUNT, help="A window of so many tokens at least.")
@click.option(
    "--min-score", "floors", metavar="BENCHMARK=SCORE", multiple=True, help="So much at least; repeatable: all of them."
)
@click.option("--option", type=click.Choice(OPTIONS), help="Models for this option; prices are those on it.")
@click.option("--fits", metavar="GPU[:COUNT]", help="Fits so many of these GPUs, with requests of --context tokens.")
@click.option("--quantization", type=click.Choice(QUANTIZATIONS), help="For --fits.  [default: any of them]")
@click.option("--concurrency", metavar="N", type=_COUNT, help="For --fits: requests held at once.  [default: 1]")
@click.option("--sort", metavar="BY", default="name", help="name, price, size, context or score:BENCHMARK.")
@click.option("--known-only", is_flag=True, help="Leave out the models of which it is not known.")
@at_option("Prices as of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    open_licence: bool,
    weights: str | None,
    commercial: Sequence[str],
    modalities: Sequence[str],
    context: int | None,
    floors: Sequence[str],
    option: str | None,
    fits: str | None,
    quantization: str | None,
    concurrency: int | None,
    sort: str,
    known_only: bool,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """List the models of the catalog, all of them or those that every filter selects.

    A model of which the catalog does not know whether a filter holds is listed apart, with what is missing: unknown is
    never no. The arithmetic of --fits is that of `policy catalog size`. A price counts by the day; of a model with
    several the cheapest is shown, three input tokens to one of output.
    """
    from policy_engine.browsing.asked import models_asked
    from policy_engine.browsing.list_value import as_value
    from policy_engine.cli.catalog_list_shown import as_sections
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    catalog = load(layers, policy_digest).catalog
    day = (at or now()).date()
    shown = models_asked(
        catalog,
        day,
        open_licence=open_licence,
        weights=weights,
        commercial=commercial,
        modalities=modalities,
        context=context,
        floors=floors,
        option=option,
        fits=fits,
        quantization=quantization,
        concurrency=concurrency,
        sort=sort,
        known_only=known_only,
    )
    write_reports(targets, report_writers(lambda: as_value(shown), lambda: as_sections(shown)))
