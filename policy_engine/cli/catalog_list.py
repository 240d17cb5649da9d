"""`policy catalog list`: the models that the filters select, and those of which it is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.catalog_common import MOST, QUANTIZATIONS, named_gpu
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import known, output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, UsageError
from policy_engine.model.vocabulary import OPTIONS

if TYPE_CHECKING:
    from policy_engine.browsing.filters import Fitting
    from policy_engine.catalog import Catalog

#: As `catalog.sections.MODALITIES` and `browsing.listing.SORTS`, which are not loaded for a help text.
MODALITIES = ("text", "vision", "audio", "tool_use")
SORTS = ("name", "price", "size", "context")
#: Of a number of devices: more digits than any has.
_DIGITS = 12
_COUNT = click.IntRange(1, MOST)
_EPILOG = 'Example: policy catalog list --open-licence --context 32000 --min-score mmlu=80 --fits "A100 80GB:2"'


@click.command("list", short_help="List the models that the filters select.", epilog=_EPILOG)
@click.option("--open-licence", is_flag=True, help="Open weights, for commercial use as they are or after a review.")
@click.option("--weights", type=click.Choice(("open", "closed")), help="Models whose weights are open, or closed.")
@click.option(
    "--commercial-use",
    "commercial",
    multiple=True,
    type=click.Choice(("allowed", "review", "forbidden", "proprietary")),
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
    from policy_engine.browsing.filters import Filters
    from policy_engine.browsing.listing import listing
    from policy_engine.cli.catalog_list_shown import Shown, as_sections, as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    catalog = load(layers, policy_digest).catalog
    day = (at or now()).date()
    _check_sort(catalog, sort)
    filters = Filters(
        weights=weights,
        open_licence=open_licence,
        commercial=tuple(commercial),
        modalities=tuple(modalities),
        context_tokens=context,
        min_scores=_floors(catalog, floors),
        fitting=_fitting(catalog, fits, quantization, context, concurrency),
        option=option,
    )
    shown = Shown(catalog, filters, listing(catalog, filters, sort, day), sort, known_only, day)
    write_reports(targets, report_writers(lambda: as_value(shown), lambda: as_sections(shown)))


def _check_sort(catalog: Catalog, sort: str) -> None:
    head, _, benchmark = sort.partition(":")
    if head == "score" and benchmark:
        known(benchmark, list(catalog.benchmarks), "benchmark")
    elif sort not in SORTS:
        message = f"there is no order `{sort}`"
        raise UsageError(Problem("unknown-name", message, help=f"one of {', '.join(SORTS)}, or score:BENCHMARK"))


def _floors(catalog: Catalog, texts: Sequence[str]) -> dict[str, float]:
    """Return the floor of each benchmark: of several the highest, as all of them hold."""
    found: dict[str, float] = {}
    for name, floor in (_floor(catalog, text) for text in texts):
        found[name] = max(floor, found.get(name, floor))
    return found


def _floor(catalog: Catalog, text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    name = name.strip()
    try:
        floor = float(value)
    except ValueError:
        floor = math.nan
    if not sign or not math.isfinite(floor):
        message = f"`{text}` names no benchmark with a score"
        raise UsageError(Problem("usage", message, help="write --min-score mmlu=85"))
    return known(name, list(catalog.benchmarks), "benchmark"), floor


def _fitting(
    catalog: Catalog, fits: str | None, quantization: str | None, context: int | None, concurrency: int | None
) -> Fitting | None:
    from policy_engine.browsing.filters import Fitting
    from policy_engine.catalog.needed import Load

    if fits is None:
        if quantization is not None or concurrency is not None:
            message = "--quantization and --concurrency say how a model should fit, and nothing says what"
            raise UsageError(Problem("usage", message, help='name the devices: --fits "A100 80GB:2"'))
        return None
    name, count = fits, 1
    head, sign, tail = fits.rpartition(":")
    if sign and tail.isascii() and tail.isdigit() and catalog.gpu(fits) is None:
        name, count = head, int(tail[:_DIGITS])
        if not 1 <= count <= MOST:
            raise UsageError(Problem("usage", f"`{fits}` is no number of devices", help="write GPU:COUNT, from 1 on"))
    if context is None and concurrency is not None:
        message = "--concurrency says how many requests are held, and nothing says how long they are"
        raise UsageError(Problem("usage", message, help="say how long with --context TOKENS"))
    quantizations = QUANTIZATIONS if quantization is None else (quantization,)
    # without a length the cache is left out, which the answer says
    return Fitting(named_gpu(catalog, name), count, quantizations, Load(context or 0, concurrency or 1))
