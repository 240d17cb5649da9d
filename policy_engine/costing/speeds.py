"""How many tokens a second a busy replica reads and answers, by the arithmetic of `catalog.needed`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from policy_engine.catalog.entries import Model
from policy_engine.catalog.needed import Load, Rates, held, rates_of
from policy_engine.catalog.sizing import weight_bytes
from policy_engine.model.assumption import Assumption
from policy_engine.model.ranges import Range

Assumptions = Mapping[str, Assumption]


class Place(Struct, frozen=True):
    """Devices together: bytes a second, dense 16-bit TFLOP/s, bytes of weights and cache that they hold."""

    bandwidth: float
    tflops: float | None
    room: float


class Speed(Struct, frozen=True):
    """Tokens a second that a busy replica reads, and answers; `at_most` where nobody knows the cache that slows it.

    A cache that is known as an upper bound is none of that: the ends count with all of it, and with nothing.
    """

    reads: Range
    answers: Range
    at_most: bool = False


def speed_of(
    model: Model, quantization: str, tokens_per_request: Range, place: Place, assumed: Assumptions
) -> Speed | None:
    """Return the speed of `model` there; None where it is not known. The low end has few and long requests."""
    at_once, decode = assumed["requests_at_once"].range, assumed["decode_reached"].range
    ends = (
        (tokens_per_request.high, at_once.low, (decode.low, decode.low)),
        (tokens_per_request.central, at_once.central, (decode.central, decode.central)),
        (tokens_per_request.low, at_once.high, (decode.high, decode.high)),
    )
    found = [_rates(model, quantization, int(tokens), streams, place, reached) for tokens, streams, reached in ends]
    low, central, high = found
    if low.reached_all is None or central.reached_all is None or high.reached_all is None or low.prefill is None:
        return None
    # a mixture of experts reads more of them the more requests there are: the middle lies between both bounds
    answers = Range(low.reached_all[0], sum(central.reached_all) / 2, high.reached_all[1])
    reads = assumed["prefill_reached"].range.times(low.prefill)
    return Speed(reads, answers, at_most=_cache_unknown(model, quantization))


def _cache_unknown(model: Model, quantization: str) -> bool:
    return held(model, quantization, Load(1, 1)).cache_of_request is None


def _rates(
    model: Model, quantization: str, tokens: int, streams: float, place: Place, reached: tuple[float, float]
) -> Rates:
    together = int(streams)
    each = held(model, quantization, Load(tokens, 1)).cache_of_request
    weights = weight_bytes(model, quantization)
    if each and weights is not None:
        together = min(together, int((place.room - weights) // each))
    load = Load(tokens, max(1, together))
    return rates_of(model, held(model, quantization, load), load, place.bandwidth, place.tflops, reached)
