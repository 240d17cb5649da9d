"""`policy catalog size`: what hardware a model needs, for a context and a number of requests at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.browsing.named import MOST, QUANTIZATIONS, named_gpu, named_model
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, RulesError, UsageError

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog
    from policy_engine.catalog.entries import Gpu, Model
    from policy_engine.loading.policy import Policy

_EPILOG = (
    "Example: policy catalog size llama-3.1-70b --quantization bf16 --context 8000 --concurrency 16 --plot memory.svg"
)
_COUNT = click.IntRange(1, MOST)


@click.command("size", short_help="Say what hardware a model needs.", epilog=_EPILOG)
@click.argument("model")
@click.option("--quantization", type=click.Choice(QUANTIZATIONS), help="Bits of the weights.  [default: each of them]")
@click.option("--context", metavar="TOKENS", type=_COUNT, help="Tokens of each request, prompt and answer.")
@click.option("--concurrency", metavar="N", type=_COUNT, default=1, show_default=True, help="Requests held at once.")
@click.option("--gpu", metavar="NAME", help="This type of GPU alone, by its driver's name or an exact alias.")
@click.option("--count", metavar="N", type=_COUNT, help="On so many GPUs.  [default: as many as it takes]")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw the memory, to .svg or .png.")
@at_option("Prices as of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    model: str,
    quantization: str | None,
    context: int | None,
    concurrency: int,
    gpu: str | None,
    count: int | None,
    plot: Path | None,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Say what hardware MODEL needs: memory by part, GPUs of each type, ceilings of its speed, and cost where known.

    All of it is arithmetic on published figures: a ceiling is what no stack exceeds without speculative decoding, and
    memory is what is needed at least. Without --context the cache of requests is not counted. What the catalog does not
    know is said.
    """
    from policy_engine.catalog.needed import Load
    from policy_engine.cli.catalog_size_shown import as_sections
    from policy_engine.cli.catalog_size_value import as_value
    from policy_engine.cli.catalog_sized import Asked, draw
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if plot is not None:
        _check_plot(plot, [target.path for target in targets])
    policy = load(layers, policy_digest)
    catalog = policy.catalog
    asked = Asked(
        catalog=catalog,
        model=_model(catalog, model, context),
        gpus=_gpus(catalog, gpu),
        named=gpu is not None,
        quantizations=QUANTIZATIONS if quantization is None else (quantization,),
        load=Load(context, concurrency),
        count=count,
        reached=_reached(policy),
        day=(at or now()).date(),
    )
    if plot is not None:
        draw(asked, plot)
    write_reports(targets, report_writers(lambda: as_value(asked), lambda: as_sections(asked)))


def _check_plot(plot: Path, reports: Sequence[Path | None]) -> None:
    """Refuse a picture that cannot be drawn while nothing has been done yet."""
    from policy_engine.plots.canvas import check_picture

    if any(path is not None and path.resolve() == plot.resolve() for path in reports):
        raise UsageError(Problem("two-in-one-file", "a report and the picture cannot go to one file"))
    check_picture(plot)


def _model(catalog: Catalog, name: str, context: int | None) -> Model:
    found = named_model(catalog, name)
    if found.weights == "closed":
        message = f"`{name}` runs on its vendor's hardware alone: its weights are closed"
        raise UsageError(Problem("closed-weights", message, help="name a model with open weights"))
    most = found.context_tokens
    if context is not None and most is not None and context > most:
        message = f"`{name}` reads {most:,} tokens at most, and --context asks for {context:,}"
        hint = "ask for fewer; a layer states another window, in catalog/models.yaml"
        raise UsageError(Problem("context-too-long", message, help=hint))
    return found


def _gpus(catalog: Catalog, name: str | None) -> tuple[Gpu, ...]:
    """Return the device of that name, else all of them, the largest first."""
    if name is None:
        order = sorted(catalog.gpus.values(), key=lambda gpu: (-gpu.memory_gb, -gpu.bandwidth_gb_s, gpu.key))
        return tuple(order)
    return (named_gpu(catalog, name, "without --gpu all are listed; a layer adds one, in catalog/gpus.yaml"),)


def _reached(policy: Policy) -> tuple[float, float]:
    """Return which parts of the decode ceiling are reached.

    Raises:
        RulesError: a layer has set parameters that are no parts, or in no order.
    """
    low, high = (float(policy.rules.values[f"decode_reached_{end}"]) for end in ("low", "high"))
    if not 0 < low <= high <= 1:
        message = "`decode_reached_low` and `decode_reached_high` are not parts of one, the lower first"
        raise RulesError(Problem("catalog-parameter", message, help="set them in a layer's parameters.yaml"))
    return low, high
