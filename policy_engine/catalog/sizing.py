"""Memory and speed of a model on devices, by arithmetic alone. Bytes, tokens and seconds; TFLOP/s dense.

Weights are parameters times bytes; the key-value cache grows with the tokens in flight. A device needs its part of both
and some overhead, within a part of its memory. Decoding reads the active weights and the cache of every stream for each
step; computing a token, prompt or answer, takes two operations for each active parameter.
"""

from __future__ import annotations

import math

from policy_engine.catalog.entries import SECONDS_PER_MONTH, Gpu, Model
from policy_engine.catalog.rules import Rules

GIB = 1024.0**3
MIB = 1024.0**2
#: Bytes for each parameter; int4 with the scales of its blocks. In the order of precision.
BYTES_PER_PARAMETER = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5625}
QUANTIZATIONS = tuple(BYTES_PER_PARAMETER)
OPERATIONS_PER_PARAMETER = 2.0
#: How many times its dense 16-bit peak a device computes at most. Tensor units do twice as much in half the bits, and
#: consumer cards twice that again, beside a 16-bit figure that is halved for summing in 32 bits. So an RTX 4090 is
#: published with 4 times its 165 at 8 bits and 8 times at 4, and none with more (A100, T4 and B200: 2 and 4). A device
#: without such units may do more in 8 bits: the catalog has none.
PEAK_MULTIPLES = {"bf16": 1.0, "fp8": 4.0, "int8": 4.0, "int4": 8.0}

#: Devices by memory, from the largest: bytes of each, and how many.
Cards = tuple[tuple[float, int], ...]


def weight_bytes(model: Model, quantization: str) -> float | None:
    """Return the bytes of all weights; None where the number of parameters is not known."""
    parameters = model.parameters
    return None if parameters is None else parameters * BYTES_PER_PARAMETER[quantization]


def active_weight_bytes(model: Model, quantization: str) -> float | None:
    """Return the bytes of the weights that one token passes through."""
    parameters = model.active_parameters
    return None if parameters is None else parameters * BYTES_PER_PARAMETER[quantization]


def kv_bytes(model: Model, quantization: str, tokens: float) -> float | None:
    """Return the bytes of the cache of `tokens`, at most where `kv_upper_bound`; half of the 16-bit size at 8 bits."""
    if tokens == 0:
        return 0.0
    if model.kv_bytes_per_token is None:
        return None
    halved = 0.5 if quantization in ("fp8", "int8") else 1.0
    return model.kv_bytes_per_token * tokens * halved


def least_kv_bytes(model: Model, quantization: str, tokens: float) -> float:
    """Return the bytes that the cache of `tokens` takes at least: zero where nothing bounds it from below."""
    return 0.0 if model.kv_upper_bound else kv_bytes(model, quantization, tokens) or 0.0


def card_bytes(rules: Rules, memory_gb: float) -> float:
    """Return the bytes of a card sold with `memory_gb`."""
    return memory_gb * rules.card_gib_per_gb * GIB


def overhead_bytes(rules: Rules, devices: int) -> float:
    """Return the bytes that each device needs beside weights and cache."""
    return (rules.memory_overhead_gib + (rules.collective_overhead_gib if devices > 1 else 0.0)) * GIB


def needed_bytes_per_device(rules: Rules, held_bytes: float, devices: int) -> float:
    """Return what each of `devices` needs, where weights and cache of `held_bytes` are spread evenly."""
    return held_bytes / devices + overhead_bytes(rules, devices)


def fits(rules: Rules, held_bytes: float, cards: Cards) -> bool:
    """Tell whether weights and cache fit `cards`, of which some may stay unused."""
    return held_bytes <= room_bytes(rules, cards)


def room_bytes(rules: Rules, cards: Cards) -> float:
    """Return the most that `cards` hold of weights and cache together, spread evenly over those that are used.

    INVARIANT: of equal cards all are used, or one, which needs no collectives.
    """
    most, devices = 0.0, 0
    for memory, count in cards:
        usable = rules.memory_utilisation * memory
        for used in (devices + 1, devices + count):
            most = max(most, used * (usable - overhead_bytes(rules, used)))
        devices += count
    return most


def most_room_bytes(rules: Rules, cards: Cards) -> float:
    """Return what no split exceeds: the sum of what each of `cards` holds, as a split by layers may fill them unevenly.

    Of equal cards it is what an even split holds.
    """
    even = room_bytes(rules, cards)
    if len(cards) < 2:
        return even
    overhead = overhead_bytes(rules, sum([count for _, count in cards]))
    return max(even, sum([count * max(0.0, rules.memory_utilisation * memory - overhead) for memory, count in cards]))


def devices_needed(rules: Rules, held_bytes: float, memory_bytes: float) -> int | None:
    """Return how many devices of `memory_bytes` hold weights and cache; None where no number does."""
    if fits(rules, held_bytes, ((memory_bytes, 1),)):
        return 1
    free = rules.memory_utilisation * memory_bytes - overhead_bytes(rules, 2)
    return max(2, math.ceil(held_bytes / free)) if free > 0 else None


def next_power_of_two(number: int) -> int:
    """Return the smallest power of two that is not below `number`: what tensor parallelism divides heads by."""
    return 1 << max(0, number - 1).bit_length()


def streamed_weight_bytes(model: Model, quantization: str, streams: int) -> float | None:
    """Return the most bytes of weights that a step of `streams` can read: of a mixture of experts, all in the end."""
    weights, active = weight_bytes(model, quantization), active_weight_bytes(model, quantization)
    if weights is None or active is None:
        return weights or active
    return min(weights, active * streams)


def decode_ceiling_tokens_per_s(
    model: Model,
    quantization: str,
    bandwidth_bytes_per_s: float,
    streams: int = 1,
    context_tokens: float = 0.0,
) -> float | None:
    """Return the most tokens a second that one of `streams` can be answered with, all devices' bandwidth together.

    One step reads the active weights once and the cache of every stream. With a mixture of experts several streams read
    more experts than one does, so that this stays an upper bound.
    """
    weights = active_weight_bytes(model, quantization)
    cache = kv_bytes(model, quantization, context_tokens)
    if weights is None or cache is None:
        return None
    return bandwidth_bytes_per_s / (weights + streams * cache)


def operations_per_token(model: Model) -> float | None:
    """Return the floating-point operations that a token takes at least, attention left out."""
    parameters = model.active_parameters
    return None if parameters is None else OPERATIONS_PER_PARAMETER * parameters


def prefill_ceiling_tokens_per_s(model: Model, tflops: float) -> float | None:
    """Return the most prompt tokens a second that devices of `tflops` together can read."""
    operations = operations_per_token(model)
    return None if operations is None else tflops * 1e12 / operations


def compute_floor_tflops(model: Model, tokens_per_s: float) -> float | None:
    """Return the TFLOP/s that `tokens_per_s` take at least, prompt and answer alike."""
    operations = operations_per_token(model)
    return None if operations is None else tokens_per_s * operations / 1e12


def peak_tflops(gpu: Gpu) -> float | None:
    """Return the device's dense 16-bit peak."""
    return gpu.bf16_tflops if gpu.bf16_tflops is not None else gpu.fp16_tflops


def most_tflops(tflops: float, quantization: str | None) -> float:
    """Return the most that devices of the 16-bit peak `tflops` compute with weights of that precision, or of any."""
    multiples = PEAK_MULTIPLES
    return tflops * (max(multiples.values()) if quantization is None else multiples[quantization])


def tokens_per_s(tokens_per_month: float) -> float:
    """Return the mean rate of a monthly volume that never pauses."""
    return tokens_per_month / SECONDS_PER_MONTH
