"""`policy catalog compare`: several models side by side, or the open field against the closed one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.browsing.named import MOST, QUANTIZATIONS
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers

_COUNT = click.IntRange(1, MOST)


@click.command(
    "compare",
    short_help="Compare models side by side.",
    epilog='Example: policy catalog compare gpt-4o llama-3.1-70b llama-3.1-405b --gpu "A100 80GB"',
)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--open-against-closed", is_flag=True, help="The best of the open field against the closed one.")
@click.option("--gpu", metavar="NAME", help="Work out how fast each can answer on this type of GPU at most.")
@click.option("--count", metavar="N", type=_COUNT, help="For --gpu: on so many.  [default: as many as it takes]")
@click.option(
    "--quantization", type=click.Choice(QUANTIZATIONS), help="For --gpu: bits of the weights.  [default: bf16]"
)
@click.option("--context", metavar="TOKENS", type=_COUNT, help="For --gpu: tokens of a request.  [default: no cache]")
@at_option("Prices as of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    models: Sequence[str],
    open_against_closed: bool,
    gpu: str | None,
    count: int | None,
    quantization: str | None,
    context: int | None,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Compare two or more MODELs: licence, benchmarks, prices, memory, speed, latency, each with source and day.

    A best is marked where the figure of every model is known, and what other sources say otherwise stands beside it.
    --open-against-closed compares the two fields on real tasks and by the time that an answer of reasoning takes.
    """
    from policy_engine.browsing.asked import models_compared
    from policy_engine.browsing.compare_sections import as_sections
    from policy_engine.browsing.compare_value import as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    catalog = load(layers, policy_digest).catalog
    day = (at or now()).date()
    shown = models_compared(
        catalog,
        day,
        models,
        open_against_closed=open_against_closed,
        gpu=gpu,
        count=count,
        quantization=quantization,
        context=context,
    )
    write_reports(targets, report_writers(lambda: as_value(shown), lambda: as_sections(shown)))
