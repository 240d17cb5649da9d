"""Laws of sizing: more to hold never needs fewer GPUs, fewer bits never more, and what fits goes on fitting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.catalog.entries import Gpu, Model
from policy_engine.catalog.needed import Fit, Load, fit, held, rates
from policy_engine.catalog.sizing import QUANTIZATIONS, next_power_of_two
from policy_engine.loading.policy import load_policy

CATALOG = load_policy(use_cache=False).catalog
SIZED = [model for model in CATALOG.models.values() if model.parameters and model.kv_bytes_per_token]
REACHED = (0.55, 0.85)

models = st.sampled_from(SIZED)
gpus = st.sampled_from(list(CATALOG.gpus.values()))
contexts = st.integers(1, 1_000_000)
requests = st.integers(1, 10_000)
quantizations = st.sampled_from(QUANTIZATIONS)


def found(model: Model, gpu: Gpu, quantization: str, load: Load, count: int | None = None) -> Fit:
    return fit(CATALOG.rules, gpu, held(model, quantization, load), count)


def number(size: Fit) -> int:
    assert size.needed is not None
    return size.needed


@given(models, gpus, quantizations, contexts, requests, contexts, requests)
def test_more_to_hold_never_needs_fewer(
    model: Model, gpu: Gpu, bits: str, context: int, streams: int, longer: int, more: int
) -> None:
    less = found(model, gpu, bits, Load(context, streams))
    most = found(model, gpu, bits, Load(context + longer, streams + more))
    assert number(less) <= number(most)
    assert (less.devices or 0) <= (most.devices or 0)
    assert number(found(model, gpu, bits, Load(None, streams))) <= number(less)


@given(models, gpus, contexts, requests)
def test_fewer_bits_never_need_more(model: Model, gpu: Gpu, context: int, streams: int) -> None:
    """Of the cache, too: 4-bit weights have a 16-bit cache, so that they are held against 16 bits."""
    load = Load(context, streams)
    wide, fp8, int8, narrow = (number(found(model, gpu, bits, load)) for bits in QUANTIZATIONS)
    assert fp8 == int8 <= wide
    assert narrow <= wide


@given(models, gpus, quantizations, contexts, requests)
def test_a_larger_card_never_needs_more(model: Model, gpu: Gpu, bits: str, context: int, streams: int) -> None:
    larger = replace(gpu, memory_gb=gpu.memory_gb * 1.5)
    load = Load(context, streams)
    assert number(found(model, larger, bits, load)) <= number(found(model, gpu, bits, load))


@given(models, gpus, quantizations, contexts, requests)
def test_the_number_fits_and_one_less_does_not(model: Model, gpu: Gpu, bits: str, context: int, streams: int) -> None:
    load = Load(context, streams)
    size = found(model, gpu, bits, load)
    assert size.devices == next_power_of_two(number(size))
    for count in {number(size), size.devices}:
        again = found(model, gpu, bits, load, count)
        assert again.fits is True
        assert again.left is not None
        assert again.left >= 0
        assert again.requests_that_fit is not None
        assert again.requests_that_fit >= streams
    if number(size) > 1:
        assert found(model, gpu, bits, load, number(size) - 1).fits is not True
        if not size.at_most:
            assert found(model, gpu, bits, load, number(size) - 1).fits is False


@given(models, gpus, quantizations, contexts, requests, requests)
def test_rates_stay_within_their_ceilings(
    model: Model, gpu: Gpu, bits: str, context: int, streams: int, more: int
) -> None:
    load, busier = Load(context, streams), Load(context, streams + more)
    size = found(model, gpu, bits, busier)
    for asked in (load, busier):
        speed = rates(model, found(model, gpu, bits, asked, size.devices), asked, REACHED)
        assert speed.decode_each is not None
        assert speed.decode_all is not None
        assert speed.reached_all is not None
        assert 0 < speed.reached_all[0] <= speed.reached_all[1] <= speed.decode_all
        assert speed.decode_all == pytest.approx(speed.decode_each * asked.concurrency)
    quiet, busy = (
        rates(model, found(model, gpu, bits, asked, size.devices), asked, REACHED) for asked in (load, busier)
    )
    assert quiet.decode_each is not None
    assert busy.decode_each is not None
    assert busy.decode_each <= quiet.decode_each * (1 + 1e-9)
