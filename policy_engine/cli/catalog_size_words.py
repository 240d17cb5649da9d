"""The words and numbers of `policy catalog size`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.catalog import Catalog
from policy_engine.catalog.entries import Model
from policy_engine.catalog.needed import Fit, Load, Rent
from policy_engine.catalog.sizing import GIB, next_power_of_two
from policy_engine.wording import usd


def gib(size: float) -> str:
    """Write bytes in GiB, without the unit."""
    return f"{size / GIB:,.1f}"


def amount(value: float) -> str:
    """Write tokens a second: one digit after the point below a hundred."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def gpus_text(fit: Fit) -> str:
    """Write how many devices memory asks for, and in brackets the next power of two where that is what is taken."""
    if fit.needed is None:
        return "unknown" if fit.fits is None else "none fits"
    more = fit.devices == next_power_of_two(fit.needed) != fit.needed
    return f"{fit.needed:,} ({fit.devices:,})" if more else f"{fit.needed:,}"


def bound_text(fit: Fit) -> str:
    """Write what the number of devices is where it is no exact one."""
    return "at least " if fit.at_least else "at most " if fit.at_most else ""


def rent_text(rent: Rent) -> str:
    """Write what devices cost an hour and a month, and where that stands."""
    figure = rent.figure
    hour, month = (rent.usd_per_hour_low, rent.usd_per_hour_high), rent.usd_per_month
    low, high = (f"{value:,.2f}" for value in hour)
    said = f"{low if low == high else f'{low} to {high}'} USD/hour"
    low, high = map(usd, month)
    said += f", {low if low == high else f'{low} to {high}'} USD/month"
    marks = [figure.source, figure.as_of.isoformat()]
    marks += ["or more"] if figure.at_least else []
    marks += [f"for {figure.model}"] if figure.model is not None else []
    marks += ["stale"] if rent.stale else []
    marks += list(figure.disputes)
    return f"{said} ({', '.join(marks)})"


def row_notes(model: Model, fit: Fit) -> list[str]:
    """Say what is to note of a model on devices."""
    notes = []
    heads = (model.architecture or {}).get("heads")
    devices = fit.devices
    if fit.fits is False:
        notes.append(_misfit(fit))
    elif fit.fits is None and fit.at_most:
        notes.append("whether it fits is not known: its cache may take less than the most that is counted")
    elif devices is not None and isinstance(heads, int) and heads % devices:
        notes.append(f"{devices:,} do not divide its {heads:,} attention heads: split it into stages as well")
    return notes


def _misfit(fit: Fit) -> str:
    if fit.devices is None:
        return f"does not fit at all: overhead of {gib(fit.overhead_each)} GiB fills {gib(fit.usable_each)} GiB"
    if fit.weights_each is None:
        return "does not fit"
    # what does not fit without a cache does not fit, however large that is
    cache = 0.0 if fit.at_most else fit.cache_each or 0.0
    needed = fit.weights_each + cache + fit.overhead_each
    least = "at least " if fit.at_least or fit.at_most else ""
    return f"does not fit {fit.devices:,}: each needs {least}{gib(needed)} GiB of {gib(fit.usable_each)}"


def model_notes(catalog: Catalog, model: Model, load: Load) -> Iterator[str]:
    """Say what is to note of the model itself, and what of it is not known."""
    if model.params_b is None:
        yield (
            "the catalog does not know how many parameters it has, so that nothing can be sized: a layer states"
            " params_b in catalog/models.yaml"
        )
    if model.active_b is not None:
        several = (
            "; several requests read more experts than one does, so that the ceiling of all together stays an upper"
            " bound, and the lower end of what is reached has each request read experts of its own"
        )
        yield (
            "a mixture of experts: all of its parameters are held in memory, and a token reads a part of them"
            + (several if load.concurrency > 1 else "")
        )
    if load.context_tokens is not None and model.context_tokens is None:
        yield "the catalog does not know how many tokens it reads at most"
    for asked in catalog.memory_requirements.values():
        if asked.model == model.key:
            more = " or more" if asked.at_least else ""
            yield f"{asked.source} ({asked.as_of}) asks for {asked.memory_gb:g} GB{more}; this is reckoned without it"
    if model.note:
        yield model.note


def cache_notes(model: Model, load: Load, quantizations: Sequence[str], most: int) -> Iterator[str]:
    """Say how the cache was counted, and why it was not; `most` devices are the most that are shown."""
    shape = model.architecture or {}
    heads = shape.get("kv_heads")
    if load.context_tokens is None:
        yield (
            "without --context the cache of requests is not counted: it takes more memory than this, and decoding"
            " is slower"
        )
    elif model.kv_bytes_per_token is None:
        yield (
            "the catalog does not know the size of its cache, which is not counted: it takes more memory than this,"
            " and decoding is slower; a layer states kv_bytes_per_token in catalog/models.yaml"
        )
    elif model.kv_upper_bound:
        yield (
            "the catalog knows its cache as an upper bound: memory and GPUs are at most this, and decode ceilings are"
            " those of an empty cache"
        )
    if (
        load.context_tokens is not None
        and model.kv_bytes_per_token is not None
        and {"fp8", "int8"} & set(quantizations)
    ):
        yield "with weights of 8 bits the cache is counted with 8 bits, else with 16"
    if shape.get("attention") == "mla" and most > 1:
        yield (
            "its cache is one latent head in each layer (MLA), which splitting by heads does not spread: a stack that"
            " keeps a copy on every GPU needs more for the cache"
        )
    elif isinstance(heads, int) and most > heads:
        yield f"its cache has {heads} heads: over more GPUs a stack keeps copies of them, and needs more for the cache"
    if set(quantizations) != {"bf16"}:
        yield "prefill is by the published 16-bit peak; with fewer bits a device may do more"
