"""`policy catalog compare`: several models side by side, or the open field against the closed one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.catalog_common import MOST, QUANTIZATIONS, named_gpu, named_model
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.browsing.cells import Device
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Model

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
    from policy_engine.browsing.fields import field_lines
    from policy_engine.browsing.side_by_side import SideBySide
    from policy_engine.cli.catalog_compare_shown import Compared, as_sections, as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if len(models) < 2 and not (open_against_closed and not models):
        message = "two models or more are compared"
        hint = "name another one, or ask for the two fields with --open-against-closed alone"
        raise UsageError(Problem("usage", message, help=hint))
    catalog = load(layers, policy_digest).catalog
    day = (at or now()).date()
    device = _device(catalog, gpu, count, quantization, context)
    side_by_side = SideBySide(catalog, _models(catalog, models), day, device)
    shown = Compared(side_by_side, field_lines(catalog, day) if open_against_closed else ())
    write_reports(targets, report_writers(lambda: as_value(shown), lambda: as_sections(shown)))


def _models(catalog: Catalog, names: Sequence[str]) -> tuple[Model, ...]:
    found: dict[str, str] = {}
    for name in names:
        key = named_model(catalog, name).key
        if key in found:
            message = f"`{found[key]}` and `{name}` are one model"
            raise UsageError(Problem("usage", message, help="name each model once"))
        found[key] = name
    return tuple(catalog.models[key] for key in found)


def _device(
    catalog: Catalog, gpu: str | None, count: int | None, quantization: str | None, context: int | None
) -> Device | None:
    from policy_engine.browsing.cells import Device
    from policy_engine.catalog.needed import Load

    if gpu is None:
        if count is not None or quantization is not None or context is not None:
            message = "--count, --quantization and --context are those of a GPU, and none is named"
            raise UsageError(Problem("usage", message, help="name it with --gpu"))
        return None
    return Device(named_gpu(catalog, gpu), count, quantization or "bf16", Load(context))
