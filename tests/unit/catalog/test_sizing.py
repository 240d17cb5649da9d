"""Memory and speed by arithmetic."""

from __future__ import annotations

import pytest

from policy_engine.catalog import Catalog, sizing
from policy_engine.catalog.sizing import GIB


def test_bytes_of_weights(catalog: Catalog) -> None:
    model = catalog.models["llama-3.1-70b"]
    sizes = [sizing.weight_bytes(model, each) for each in ("bf16", "fp8", "int8", "int4")]
    assert sizes == pytest.approx([141.108e9, 70.554e9, 70.554e9, 39.686625e9])
    assert sizing.weight_bytes(catalog.models["qwq-32b"], "bf16") is None


def test_the_cache_is_halved_at_8_bits(catalog: Catalog) -> None:
    model = catalog.models["llama-3.1-70b"]
    assert [sizing.kv_bytes(model, each, 1000) for each in ("bf16", "fp8", "int8", "int4")] == [
        327_680_000,
        163_840_000,
        163_840_000,
        327_680_000,
    ]
    assert sizing.kv_bytes(catalog.models["qwq-32b"], "bf16", 0) == 0
    assert sizing.kv_bytes(catalog.models["qwq-32b"], "bf16", 1) is None


def test_a_mixture_of_experts_holds_all_and_computes_the_active_weights(catalog: Catalog) -> None:
    model = catalog.models["mixtral-8x7b"]
    assert sizing.weight_bytes(model, "bf16") == pytest.approx(93.4e9)
    assert sizing.active_weight_bytes(model, "bf16") == pytest.approx(25.76e9)
    assert sizing.operations_per_token(model) == pytest.approx(25.76e9)
    assert sizing.decode_ceiling_tokens_per_s(model, "bf16", 2 * 25.76e9) == pytest.approx(2.0)


def test_needed_per_device(catalog: Catalog) -> None:
    rules = catalog.rules
    assert sizing.needed_bytes_per_device(rules, 10 * GIB, 1) == 13.5 * GIB
    assert sizing.needed_bytes_per_device(rules, 10 * GIB, 2) == pytest.approx(8.9 * GIB)


@pytest.mark.parametrize(
    ("held_gib", "cards_gib", "fits"),
    [
        (86.5, [(100, 1)], True),
        (86.6, [(100, 1)], False),
        (172.2, [(100, 2)], True),
        (172.3, [(100, 2)], False),
        (86.5, [(100, 1), (4, 1)], True),
        (40.0, [(30, 1), (20, 2)], True),
        (0.1, [(3, 1000)], False),
        (1.0, [], False),
    ],
)
def test_what_fits(catalog: Catalog, held_gib: float, cards_gib: list[tuple[float, int]], fits: bool) -> None:
    cards = tuple((gib * GIB, count) for gib, count in cards_gib)
    assert sizing.fits(catalog.rules, held_gib * GIB, cards) is fits


@pytest.mark.parametrize(
    ("model", "gpu", "quantization", "devices"),
    [
        ("llama-3.1-8b", "L4", "bf16", 1),
        ("llama-3.1-70b", "A100 80GB", "bf16", 2),
        ("llama-3.1-70b", "A100 80GB", "fp8", 1),
        ("llama-3.1-405b", "A100 80GB", "bf16", 12),
        ("llama-3.1-405b", "A100 80GB", "fp8", 6),
        ("llama-3.1-405b", "H200", "bf16", 7),
        ("deepseek-v3", "H200", "fp8", 6),
    ],
)
def test_devices_needed(catalog: Catalog, model: str, gpu: str, quantization: str, devices: int) -> None:
    device, held = catalog.gpu(gpu), sizing.weight_bytes(catalog.models[model], quantization)
    assert device is not None
    assert held is not None
    card = sizing.card_bytes(catalog.rules, device.memory_gb)
    assert sizing.devices_needed(catalog.rules, held, card) == devices
    assert sizing.fits(catalog.rules, held, ((card, devices),))
    assert devices == 1 or not sizing.fits(catalog.rules, held, ((card, devices - 1),))


def test_no_number_of_devices_smaller_than_the_overhead_is_enough(catalog: Catalog) -> None:
    assert sizing.devices_needed(catalog.rules, 1 * GIB, 4 * GIB) is None


def test_ceilings(catalog: Catalog) -> None:
    model = catalog.models["llama-3.1-70b"]
    single = sizing.decode_ceiling_tokens_per_s(model, "bf16", 2 * 2039e9)
    assert single == pytest.approx(28.9, abs=0.01)
    eight = sizing.decode_ceiling_tokens_per_s(model, "bf16", 2 * 2039e9, 8, 1000)
    assert eight == pytest.approx(2 * 2039e9 / (141.108e9 + 8 * 327.68e6))
    assert sizing.prefill_ceiling_tokens_per_s(model, 624) == pytest.approx(624e12 / 141.108e9)
    assert sizing.compute_floor_tflops(model, 10_140) == pytest.approx(1430.8, abs=0.1)
