"""What hardware a model needs: by hand, and where something is not known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from policy_engine.catalog import Catalog, sizing
from policy_engine.catalog.needed import Fit, Load, Rates, fit, held, rates, rent
from policy_engine.catalog.sizing import GIB

REACHED = (0.55, 0.85)
OWN = {"source": "register", "as_of": "2026-11-22"}
#: Attention with heads, and what is known of it; layers over the shipped models.
MODEL = {"weights": "open", "licence": "mit", "modalities": ["text"], "context_tokens": 8192, **OWN}
A100 = "NVIDIA A100-SXM4-80GB"


def found(catalog: Catalog, model: str, gpu: str, quantization: str, load: Load, count: int | None = None) -> Fit:
    device, known = catalog.gpu(gpu), catalog.model(model)
    assert device is not None
    assert known is not None
    return fit(catalog.rules, device, held(known, quantization, load), count)


def speed(catalog: Catalog, model: str, size: Fit, load: Load) -> Rates:
    known = catalog.model(model)
    assert known is not None
    return rates(known, size, load, REACHED)


@pytest.mark.parametrize(("number", "power"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (12, 16), (16, 16), (17, 32)])
def test_the_next_power_of_two(number: int, power: int) -> None:
    assert sizing.next_power_of_two(number) == power


@pytest.mark.parametrize(
    ("model", "gpu", "quantization", "context", "concurrency", "needed", "devices"),
    [
        # HW-01: an 8B on a 16 GB card: 16.06 GB of weights do not fit at 16 bits, and do at 8
        ("llama-3.1-8b", "T4", "bf16", None, 1, 2, 2),
        ("llama-3.1-8b", "T4", "int8", None, 1, 1, 1),
        ("llama-3.1-8b", "RTX 4090", "bf16", None, 1, 1, 1),
        # HW-02: a 70B on two A100 80GB
        ("llama-3.1-70b", A100, "bf16", None, 1, 2, 2),
        ("llama-3.1-70b", A100, "bf16", 8000, 1, 2, 2),
        ("llama-3.1-70b", A100, "bf16", 8000, 2, 3, 4),
        # HW-03: a 405B on eight A100 80GB: at 8 bits alone
        ("llama-3.1-405b", A100, "bf16", None, 1, 12, 16),
        ("llama-3.1-405b", A100, "int8", None, 1, 6, 8),
        ("deepseek-v3", "H200", "fp8", 32_000, 64, 6, 8),
        ("mixtral-8x7b", "A100 40GB", "bf16", None, 1, 3, 4),
    ],
)
def test_gpus_needed(
    catalog: Catalog,
    model: str,
    gpu: str,
    quantization: str,
    context: int | None,
    concurrency: int,
    needed: int,
    devices: int,
) -> None:
    size = found(catalog, model, gpu, quantization, Load(context, concurrency))
    assert (size.needed, size.devices) == (needed, devices)
    assert size.at_least is (context is None)
    assert size.fits is (None if context is None else True)


def test_by_hand_a_70b_on_two_a100(catalog: Catalog) -> None:
    """141.108 GB are 131.417 GiB; a card of 80 GB has 79.2 GiB, of which 71.28 serve, and 67.38 beside the overhead."""
    load = Load(None)
    size = found(catalog, "llama-3.1-70b", A100, "bf16", load)
    assert size.weights_each == pytest.approx(141.108e9 / 2)
    assert size.cache_each is None
    assert size.overhead_each == pytest.approx(3.9 * GIB)
    assert size.usable_each == pytest.approx(71.28 * GIB)
    assert size.left == pytest.approx((2 * 67.38 - 131.417) * GIB, abs=0.01 * GIB)
    found_rates = speed(catalog, "llama-3.1-70b", size, load)
    assert found_rates.decode_each == found_rates.decode_all == pytest.approx(28.9, abs=0.01)
    assert found_rates.reached_all == pytest.approx((15.9, 24.57), abs=0.01)
    assert found_rates.prefill == pytest.approx(2 * 312e12 / (2 * 70.554e9))
    assert found_rates.without_cache


def test_by_hand_a_405b_on_eight_a100(catalog: Catalog) -> None:
    eight = found(catalog, "llama-3.1-405b", A100, "bf16", Load(None), 8)
    assert (eight.needed, eight.devices, eight.fits, eight.left) == (12, 8, False, None)
    at_8_bits = found(catalog, "llama-3.1-405b", A100, "int8", Load(1000), 8)
    assert at_8_bits.fits is True
    assert at_8_bits.held.weights == pytest.approx(405.853e9)


def test_the_cache_is_that_of_all_requests(catalog: Catalog) -> None:
    size = found(catalog, "llama-3.1-70b", A100, "bf16", Load(8000, 16))
    assert size.held.cache == pytest.approx(327_680 * 8000 * 16)
    assert found(catalog, "llama-3.1-70b", A100, "int8", Load(8000, 16)).held.cache == size.held.cache / 2
    assert size.requests_that_fit == int((4 * 67.38 * GIB - 141.108e9) // (327_680 * 8000))
    one_more = found(catalog, "llama-3.1-70b", A100, "bf16", Load(8000, size.requests_that_fit + 1), 4)
    assert one_more.fits is False
    assert found(catalog, "llama-3.1-70b", A100, "bf16", Load(8000, size.requests_that_fit), 4).fits is True


def test_decoding_reads_the_weights_once_and_each_cache(catalog: Catalog) -> None:
    load = Load(8000, 16)
    size = found(catalog, "llama-3.1-70b", A100, "bf16", load)
    found_rates = speed(catalog, "llama-3.1-70b", size, load)
    step = 4 * 2039e9 / (141.108e9 + 16 * 8000 * 327_680)
    assert found_rates.decode_each == pytest.approx(step)
    assert found_rates.decode_all == pytest.approx(16 * step)


def test_many_requests_meet_the_peak_of_arithmetic_at_16_bits(catalog: Catalog) -> None:
    load = Load(1, 100_000)
    size = found(catalog, "llama-3.1-8b", "A10G", "bf16", load)
    found_rates = speed(catalog, "llama-3.1-8b", size, load)
    assert found_rates.decode_all == found_rates.prefill
    assert found_rates.reached_all is not None
    assert found_rates.prefill is not None
    assert found_rates.reached_all[1] == pytest.approx(0.85 * found_rates.prefill)


def test_a_mixture_of_experts_reads_more_of_them_for_more_requests(catalog: Catalog) -> None:
    """Memory holds 46.7 billion; one stream reads 12.88, four all of them at most."""
    for streams, most in ((1, 12.88e9), (2, 25.76e9), (4, 46.7e9), (64, 46.7e9)):
        load = Load(100, streams)
        size = found(catalog, "mixtral-8x7b", "H100", "bf16", load)
        assert size.held.weights == pytest.approx(93.4e9)
        found_rates = speed(catalog, "mixtral-8x7b", size, load)
        bandwidth, cache = 2 * 3350e9, streams * 100 * 131_072
        assert found_rates.decode_all == pytest.approx(streams * bandwidth / (2 * 12.88e9 + cache))
        assert found_rates.reached_all is not None
        low, high = found_rates.reached_all
        assert low == pytest.approx(0.55 * streams * bandwidth / (2 * most + cache))
        assert high == pytest.approx(0.85 * found_rates.decode_all)
        assert low < high


def test_mla_takes_the_cache_that_is_stated(catalog: Catalog) -> None:
    size = found(catalog, "deepseek-r1", "H200", "fp8", Load(10_000, 10))
    assert size.held.cache == pytest.approx(70_272 * 100_000 / 2)


def test_unknown_parameters_leave_everything_unknown(catalog: Catalog) -> None:
    load = Load(1000)
    size = found(catalog, "qwq-32b", "H200", "bf16", load)
    assert (size.needed, size.devices, size.fits, size.weights_each, size.left) == (None,) * 5
    assert speed(catalog, "qwq-32b", size, load) == Rates(None, None, None, None, False)
    counted = found(catalog, "qwq-32b", "H200", "bf16", load, 2)
    assert (counted.needed, counted.devices, counted.fits) == (None, 2, None)
    assert speed(catalog, "qwq-32b", counted, load).decode_each is None


def test_an_unknown_cache_gives_lower_bounds(layered: Callable[..., Catalog]) -> None:
    catalog = layered({"models": {"ours": {**MODEL, "params_b": 70.554}}})
    load = Load(8000, 64)
    size = found(catalog, "ours", A100, "bf16", load)
    assert (size.needed, size.at_least, size.fits, size.requests_that_fit) == (2, True, None, None)
    found_rates = speed(catalog, "ours", size, load)
    assert found_rates.without_cache
    assert found_rates.decode_each == pytest.approx(28.9, abs=0.01)


def test_a_cache_alone_that_does_not_fit_is_enough_to_say_so(layered: Callable[..., Catalog]) -> None:
    catalog = layered({"models": {"ours": {**MODEL, "kv_bytes_per_token": 1e6}}})
    size = found(catalog, "ours", A100, "bf16", Load(8000, 100), 1)
    assert (size.needed, size.fits) == (None, False)


def test_a_device_smaller_than_the_overhead_holds_nothing(layered: Callable[..., Catalog]) -> None:
    catalog = layered({"gpus": {"tiny": {"memory_gb": 4, "bandwidth_gb_s": 100, **OWN}}})
    size = found(catalog, "llama-3.1-8b", "tiny", "int4", Load(None))
    assert (size.needed, size.devices, size.fits) == (None, None, False)
    assert speed(catalog, "llama-3.1-8b", size, Load(None)) == Rates(None, None, None, None, False)


def test_a_device_without_a_peak_has_no_prefill_ceiling(layered: Callable[..., Catalog]) -> None:
    catalog = layered({"gpus": {"plain": {"memory_gb": 80, "bandwidth_gb_s": 1000, **OWN}}})
    load = Load(10)
    found_rates = speed(catalog, "llama-3.1-8b", found(catalog, "llama-3.1-8b", "plain", "bf16", load), load)
    assert found_rates.prefill is None
    assert found_rates.decode_each == pytest.approx(1000e9 / (16.06e9 + 1_310_720))


def cost(catalog: Catalog, model: str, gpu: str, devices: int, at: date) -> Any:
    device, known = catalog.gpu(gpu), catalog.model(model)
    assert device is not None
    assert known is not None
    paid = rent(catalog, known, device, devices, at)
    return None if paid is None else (paid.usd_per_hour_low, paid.usd_per_hour_high, paid.figure.key, paid.stale)


@pytest.mark.parametrize(
    ("model", "gpu", "devices", "expected"),
    [
        ("llama-3.1-70b", A100, 2, (2.0, 4.0, "2xa100.llama-3.1-70b.s2", True)),
        ("llama-3.1-70b", A100, 4, (4.0, 8.0, "2xa100.llama-3.1-70b.s2", True)),
        ("llama-3.1-70b", A100, 1, (1.0, 1.0, "a100.llama-3-70b.s2", True)),
        ("llama-3-70b", A100, 1, (1.0, 1.0, "a100.llama-3-70b.s2", True)),
        ("llama-3-70b", A100, 2, (2.0, 4.0, "2xa100.llama-3-70b.s2", True)),
        ("llama-3.1-405b", A100, 8, (20.0, 20.0, "8xa100.llama-3.1-405b.s2", True)),
        ("llama-3.1-405b", A100, 4, (4.0, 4.0, "a100.llama-3-70b.s2", True)),
        ("mixtral-8x7b", "H100", 2, (4.0, 4.0, "h100.s3", True)),
        ("mixtral-8x7b", "H200", 1, None),
        ("llama-3.1-8b", "A100 40GB", 1, None),
    ],
)
def test_rent_where_a_source_states_it(
    catalog: Catalog, at: date, model: str, gpu: str, devices: int, expected: Any
) -> None:
    assert cost(catalog, model, gpu, devices, at) == expected


def test_no_rent_before_the_day_of_its_figure(catalog: Catalog) -> None:
    assert cost(catalog, "mixtral-8x7b", "H100", 1, date(2025, 1, 1)) is None


def test_a_layers_price_comes_before_the_shipped_ones(layered: Callable[..., Catalog], at: date) -> None:
    ours = {"gpu": A100, "per": "month", "usd": 730.5, "source": "register", "as_of": "2026-11-22"}
    catalog = layered({"hosting_costs": {"ours": ours}})
    assert cost(catalog, "llama-3.1-70b", A100, 2, at) == (2.0, 2.0, "ours", False)
    assert cost(layered({"hosting_costs": {"ours": {**ours, "count": 8}}}), "llama-3.1-70b", A100, 2, at)[2] != "ours"


def test_a_cache_that_is_known_as_an_upper_bound_makes_everything_one(catalog: Catalog) -> None:
    """54 GB of weights and at most 62 of cache on cards that hold 72.7."""
    load = Load(122_000)
    size = found(catalog, "gemma-3-27b", "H100", "bf16", load)
    assert (size.needed, size.at_most, size.at_least, size.fits) == (2, True, False, True)
    one = found(catalog, "gemma-3-27b", "H100", "bf16", load, 1)
    assert (one.at_most, one.fits, one.left) == (True, None, None)
    assert found(catalog, "gemma-3-27b", "A100 40GB", "bf16", load, 1).fits is False
    assert not found(catalog, "gemma-3-27b", "H100", "bf16", Load(None)).at_most
    with_cache, without = speed(catalog, "gemma-3-27b", size, load), speed(catalog, "gemma-3-27b", size, Load(1))
    assert with_cache.without_cache
    assert with_cache.decode_each == without.decode_each == pytest.approx(2 * 3350e9 / 54.02e9)
    assert with_cache.reached_all is not None
    assert with_cache.reached_all[0] == pytest.approx(0.55 * 2 * 3350e9 / (54.02e9 + 122_000 * 507_904))
