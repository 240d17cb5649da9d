"""What hardware a model needs, for requests of a length and so many at once: by type of GPU, by arithmetic alone.

Memory says how many devices it takes; tensor parallelism splits heads evenly, so that a stack takes the next power of
two of them, and rates and cost are those of that number. What the catalog does not know makes a number a lower bound
(`at_least`), or leaves it None; a cache that is known as an upper bound makes memory and devices one (`at_most`).
"""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import HOURS_PER_MONTH, Gpu, HostingCost, Model
from policy_engine.catalog.figures import in_force, preferred
from policy_engine.catalog.rules import Rules
from policy_engine.catalog.sizing import (
    card_bytes,
    decode_ceiling_tokens_per_s,
    devices_needed,
    fits,
    kv_bytes,
    most_tflops,
    next_power_of_two,
    operations_per_token,
    overhead_bytes,
    peak_tflops,
    prefill_ceiling_tokens_per_s,
    room_bytes,
    streamed_weight_bytes,
    weight_bytes,
)


class Load(Struct, frozen=True):
    """What is asked of the model: tokens of each request, prompt and answer, None where not said; requests at once."""

    context_tokens: int | None
    concurrency: int = 1


class Held(Struct, frozen=True):
    """Bytes of a model's weights, and of the cache of a load; None is unknown."""

    quantization: str
    weights: float | None
    cache_of_request: float | None
    cache: float | None
    cache_at_most: bool = False

    @property
    def known(self) -> float:
        return (self.weights or 0.0) + (self.cache or 0.0)

    @property
    def least(self) -> float:
        return (self.weights or 0.0) if self.cache_at_most else self.known

    @property
    def complete(self) -> bool:
        return self.weights is not None and self.cache is not None


class Fit(Struct, frozen=True):
    """A model on devices of one type. `needed` is what memory asks for, `devices` what rates and cost are for.

    `fits` is None where a lower bound fits, and nobody knows whether the whole does. Bytes are those of each device;
    `left` is what all together have left beside weights and cache, as far as these are known.
    """

    gpu: Gpu
    held: Held
    needed: int | None
    devices: int | None
    at_least: bool
    at_most: bool
    fits: bool | None
    weights_each: float | None
    cache_each: float | None
    overhead_each: float
    usable_each: float
    card_each: float
    left: float | None
    requests_that_fit: int | None


class Rates(Struct, frozen=True):
    """Ceilings in tokens a second, of one stream and of all together, and the range that real stacks reach of the last.

    `without_cache` says that the cache that decoding reads is not known, or only how large it is at most: then the
    ceilings are those of an empty one, so that the truth is lower.
    """

    decode_each: float | None
    decode_all: float | None
    reached_all: tuple[float, float] | None
    prefill: float | None
    without_cache: bool


class Rent(Struct, frozen=True):
    """Dollars an hour for the devices together, and the figure that they rest on, which may be for fewer of them."""

    usd_per_hour_low: float
    usd_per_hour_high: float
    figure: HostingCost
    stale: bool

    @property
    def usd_per_month(self) -> tuple[float, float]:
        return self.usd_per_hour_low * HOURS_PER_MONTH, self.usd_per_hour_high * HOURS_PER_MONTH


def held(model: Model, quantization: str, load: Load) -> Held:
    """Return what `model` holds in memory under `load`."""
    request = None if load.context_tokens is None else kv_bytes(model, quantization, load.context_tokens)
    cache = None if request is None else request * load.concurrency
    return Held(quantization, weight_bytes(model, quantization), request, cache, bool(cache) and model.kv_upper_bound)


def fit(rules: Rules, gpu: Gpu, held: Held, count: int | None = None) -> Fit:
    """Return how `held` fits `count` devices, or as many as it takes."""
    card = card_bytes(rules, gpu.memory_gb)
    needed = None if held.weights is None else devices_needed(rules, held.known, card)
    devices = count or (None if needed is None else next_power_of_two(needed))
    cards = ((card, devices or 0),)
    # a part of what is held that does not fit is an answer, whatever the rest is
    fitting = devices is not None and fits(rules, held.known, cards)
    left = room_bytes(rules, cards) - held.known if fitting and held.weights is not None else None
    return Fit(
        gpu=gpu,
        held=held,
        needed=needed,
        devices=devices,
        at_least=not held.complete,
        at_most=held.complete and held.cache_at_most,
        fits=_fits(
            held,
            devices,
            fitting,
            fits(rules, held.least, cards),
            card * rules.memory_utilisation > overhead_bytes(rules, 2),
        ),
        weights_each=_each(held.weights, devices),
        cache_each=_each(held.cache, devices),
        overhead_each=overhead_bytes(rules, devices or 1),
        usable_each=rules.memory_utilisation * card,
        card_each=card,
        left=left,
        requests_that_fit=_requests(rules, held, cards) if devices else None,
    )


def _fits(held: Held, devices: int | None, fitting: bool, perhaps: bool, room: bool) -> bool | None:
    if devices is None:
        return None if held.weights is None and room else False
    if not fitting:
        return None if perhaps else False
    return True if held.complete else None


def _each(total: float | None, devices: int | None) -> float | None:
    return None if total is None or devices is None else total / devices


def _requests(rules: Rules, held: Held, cards: tuple[tuple[float, int], ...]) -> int | None:
    """Return how many requests of that length fit beside the weights."""
    if held.weights is None or not held.cache_of_request:
        return None
    return max(0, int((room_bytes(rules, cards) - held.weights) // held.cache_of_request))


def rates(model: Model, fit: Fit, load: Load, reached: tuple[float, float]) -> Rates:
    """Return the ceilings of `model` on the devices of `fit`; `reached` are parts of the ceiling.

    The lower end of what is reached lets every stream of a mixture of experts read experts of its own, as far as there
    are so many.
    """
    if fit.devices is None:
        return Rates(None, None, None, None, False)
    peak = peak_tflops(fit.gpu)
    bandwidth = fit.devices * fit.gpu.bandwidth_gb_s * 1e9
    return rates_of(model, fit.held, load, bandwidth, None if peak is None else fit.devices * peak, reached)


def rates_of(
    model: Model,
    held: Held,
    load: Load,
    bandwidth: float,
    tflops: float | None,
    reached: tuple[float, float],
) -> Rates:
    """Return the same of devices with so many bytes a second and dense 16-bit TFLOP/s, together."""
    quantization = held.quantization
    without_cache = held.cache is None or held.cache_at_most
    context = 0.0 if without_cache else float(load.context_tokens or 0)
    each = decode_ceiling_tokens_per_s(model, quantization, bandwidth, load.concurrency, context)
    prefill = None if tflops is None else prefill_ceiling_tokens_per_s(model, tflops)
    if each is None or operations_per_token(model) is None:
        return Rates(None, None, None, prefill, without_cache)
    streamed = streamed_weight_bytes(model, quantization, load.concurrency) or 0.0
    lowest = load.concurrency * bandwidth / (streamed + (held.cache or 0.0))
    # a token that is answered takes the arithmetic of one that is read; at fewer bits than 16 a device may do more
    most = float("inf") if prefill is None else most_tflops(prefill, quantization)
    every = min(each * load.concurrency, most)
    return Rates(
        decode_each=every / load.concurrency,
        decode_all=every,
        reached_all=(reached[0] * min(lowest, most), reached[1] * every),
        prefill=prefill,
        without_cache=without_cache,
    )


def rent(catalog: Catalog, model: Model, gpu: Gpu, devices: int | None, at: date) -> Rent | None:
    """Return what `devices` cost on the day `at`; None where no source states it.

    Of the last layer that has any, figures of that model come first, then those of no model, then those of one device;
    of each kind the one of the most devices that `devices` are a multiple of.
    """
    if devices is None:
        return None
    figures = [
        each
        for each in catalog.hosting_costs.values()
        if each.gpu == gpu.key and devices % each.count == 0 and in_force(each, at)
    ]
    last = max((each.rank for each in figures), default=0)
    figures = [each for each in figures if each.rank == last]
    for choice in (
        [each for each in figures if each.model == model.key],
        [each for each in figures if each.model is None],
        [each for each in figures if each.count == 1],
    ):
        most = max((each.count for each in choice), default=1)
        figure = preferred([each for each in choice if each.count == most], catalog.sides)
        if figure is not None:
            hourly = figure.hours / HOURS_PER_MONTH * devices / figure.count
            low, high = figure.usd_low * hourly, figure.usd_high * hourly
            return Rent(low, high, figure, catalog.is_stale(figure, at))
    return None
