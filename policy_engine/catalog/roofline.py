"""Judge claimed rates and prices by the roofline: what bandwidth and arithmetic allow at most."""

from __future__ import annotations

import math

from policy_engine.catalog.boxes import Box, box_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim, ServesClaim
from policy_engine.catalog.entries import SECONDS_PER_MONTH, Model
from policy_engine.catalog.sizing import (
    QUANTIZATIONS,
    compute_floor_tflops,
    decode_ceiling_tokens_per_s,
    most_tflops,
)
from policy_engine.catalog.verdicts import Number, Verdict

_SERVED = tuple(
    f"hardware.serves.{name}"
    for name in ("tokens_per_hour", "quantization", "concurrency", "input_tokens", "output_tokens")
)


def judge_price(
    catalog: Catalog, claim: HardwareClaim, model: str, usd_per_million_tokens: float, usd_per_month: float
) -> Verdict:
    """Judge a price per million tokens on hardware of that monthly cost, by the volume that it takes.

    Dollars a month over dollars a token are tokens a month, without pause. Each takes two operations for each active
    parameter, prompt and answer alike; that is more than no device can do, so that a rate above the peak is
    contradicted whatever the batch, the lengths and the precision of the cache.
    """
    found = catalog.model(model)
    if found is None:
        return Verdict(None, f"the catalog does not know `{model}`", (), (f"catalog.models.{model}",))
    rate_tokens_per_s = usd_per_month / (usd_per_million_tokens / 1e6) / SECONDS_PER_MONTH
    return _arithmetic(box_of(catalog, claim), found, rate_tokens_per_s, "bf16")


def judge_hourly_price(box: Box, model: Model, serves: ServesClaim, usd_per_hour: float) -> Verdict:
    """Judge what a token costs where the hardware is paid by the hour and said, surely, to answer so many in one.

    At less than 16 bits a device may do more than its 16-bit peak, which is what is published: see `PEAK_MULTIPLES`.
    """
    tokens = serves.tokens_per_hour or 0.0
    price = usd_per_hour / tokens * 1e6 if tokens else math.inf
    if price == math.inf:  # which no document holds
        return Verdict("holds", "next to nothing is said to be answered", (Number("rate", tokens / 3600, "tokens/s"),))
    found = _arithmetic(box, model, tokens / 3600, serves.quantization)
    numbers = (Number("price", price, "USD/million tokens"), *found.numbers)
    return Verdict(found.verdict, f"{price:,.2f} USD for a million tokens: {found.why}", numbers, found.missing)


def _arithmetic(box: Box, model: Model, rate_tokens_per_s: float, quantization: str | None) -> Verdict:
    """Judge a rate by the operations that it takes at least, against the most that the devices together do."""
    needed = compute_floor_tflops(model, rate_tokens_per_s)
    if needed is None:
        why = f"the number of parameters of {model.key} is not known"
        return Verdict(None, why, (), (f"catalog.models.{model.key}.params_b",))
    if box.tflops is None:
        return Verdict(None, "the peak arithmetic of the hardware is not known", (), box.tflops_missing)
    numbers = (
        Number("rate", rate_tokens_per_s, "tokens/s"),
        Number("arithmetic needed", needed, "TFLOP/s"),
        Number("arithmetic peak", box.tflops, "TFLOP/s"),
    )
    said = f"{rate_tokens_per_s:,.0f} tokens/s need about {needed:,.0f} TFLOP/s"
    if needed > most_tflops(box.tflops, quantization):
        return Verdict("contradicted", f"{said} against {_peak_text(box.tflops, quantization)}", numbers)
    missing = box.missing
    if needed > box.tflops and quantization is None:
        missing = (*missing, "hardware.serves.quantization")
    where = "within" if needed <= box.tflops else "above"
    said += f" {where} a peak of {box.tflops:,.0f}"
    if needed > box.tflops:
        said += (
            f" in 16 bits, and at {quantization or 'fewer'}{'' if quantization else ' of them'} a device may do more"
        )
    if missing:
        return Verdict(None, f"{said}, but part is not known", numbers, missing)
    return Verdict("holds", said, numbers)


def _peak_text(tflops: float, quantization: str | None) -> str:
    most = most_tflops(tflops, quantization)
    if most == tflops:
        return f"a peak of {tflops:,.0f}"
    return f"a peak of {tflops:,.0f} in 16 bits, and {most:,.0f} at most at {quantization or 'any precision'}"


def judge_rate(box: Box, model: Model, serves: ServesClaim) -> Verdict:
    """Judge the claimed tokens per hour of `model`, which count what is answered, against the roofline."""
    missing = _not_said(serves)
    if serves.tokens_per_hour is None:
        return Verdict(None, "what is said to be served is not known in full", (), missing)
    rate = serves.tokens_per_hour / 3600
    arithmetic, beyond = _beyond_peak(model, box, serves, rate)
    if box.bandwidth_bytes_per_s is None:
        if beyond is not None:
            return Verdict("contradicted", beyond, (Number("rate", rate, "tokens/s"), *arithmetic))
        return Verdict(None, "the bandwidth of the hardware is not known", (), box.bandwidth_missing)
    # What is unknown takes the value that allows most: the fewest bytes, an empty cache.
    context = (serves.input_tokens or 0) + (serves.output_tokens or 0) / 2
    streams = serves.concurrency or 1
    ceiling = _ceiling(model, box.bandwidth_bytes_per_s, serves, 0.0 if model.kv_upper_bound else context)
    if ceiling is None:
        gaps = [name for name in ("params_b", "kv_bytes_per_token") if getattr(model, name) is None]
        names = tuple(f"catalog.models.{model.key}.{name}" for name in gaps)
        return Verdict(None, f"the architecture of {model.key} is not known", (), names)
    numbers = [Number("rate", rate, "tokens/s"), Number("decode ceiling", ceiling, "tokens/s")]
    known = serves.concurrency is not None
    at_once = f"{streams:,} at once" if known else "an unknown number at once"
    said = f"{rate:,.1f} tokens/s from {at_once} against a ceiling of {ceiling:,.1f}{'' if known else ' for one'}"
    if known and rate > ceiling:
        return Verdict("contradicted", said, tuple(numbers))
    numbers += arithmetic
    if beyond is not None:
        return Verdict("contradicted", beyond, tuple(numbers))
    if model.kv_upper_bound and rate > (_ceiling(model, box.bandwidth_bytes_per_s, serves, context) or 0.0):
        said += " with an empty cache"
        missing = (*missing, f"catalog.models.{model.key}.kv_bytes_per_token")
    missing = (*box.missing, *missing)
    if missing:
        return Verdict(None, f"{said}, as far as is known", tuple(numbers), missing)
    return Verdict("holds", said, tuple(numbers))


def _ceiling(model: Model, bandwidth_bytes_per_s: float, serves: ServesClaim, context: float) -> float | None:
    """Return the most tokens a second of all streams together, at whichever precision allows most."""
    streams = serves.concurrency or 1
    tried = QUANTIZATIONS if serves.quantization is None else (serves.quantization,)
    each = [decode_ceiling_tokens_per_s(model, q, bandwidth_bytes_per_s, streams, context) for q in tried]
    return max([ceiling * streams for ceiling in each if ceiling is not None], default=None)


def _beyond_peak(model: Model, box: Box, serves: ServesClaim, rate: float) -> tuple[tuple[Number, ...], str | None]:
    """Return the arithmetic that the rate takes beside the peak, and how it exceeds that where it does.

    The published peaks are 16-bit ones; at fewer bits a device may do more, up to `PEAK_MULTIPLES`.
    """
    needed = compute_floor_tflops(model, rate)
    if needed is None or box.tflops is None:
        return (), None
    numbers = (Number("arithmetic needed", needed, "TFLOP/s"), Number("arithmetic peak", box.tflops, "TFLOP/s"))
    if needed <= most_tflops(box.tflops, serves.quantization):
        return numbers, None
    peak = _peak_text(box.tflops, serves.quantization)
    return numbers, f"{rate:,.1f} tokens/s need {needed:,.0f} TFLOP/s against {peak}"


def _not_said(serves: ServesClaim) -> tuple[str, ...]:
    said = (
        serves.tokens_per_hour,
        serves.quantization,
        serves.concurrency,
        serves.input_tokens,
        serves.output_tokens,
    )
    if None not in said:
        return ()
    return tuple([name for name, value in zip(_SERVED, said, strict=True) if value is None])
