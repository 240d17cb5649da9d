"""The work whose rate is measured: copies, matrix products, and the decode step of a Llama-shaped stack of layers.

On random data always: on zeros a GPU is faster by a tenth than on anything that a model computes. Each kind of work
takes what memory it needs from what is free, less the reserve; what does not fit is made smaller, and where it would
fit into a cache it is not measured at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from policy_engine.probe.device import Bench
from policy_engine.probe.freivalds import allowed, wrong_by
from policy_engine.probe.report import RateName

MIB = 1 << 20
#: A product's side on an accelerator, and the first on a CPU; there it is doubled while one takes less than this.
SIDE, CPU_SIDE, LEAST_SIDE = 8192, 512, 256
LARGEST_CPU_SIDE, SHORT_SECONDS = 4096, 0.002
#: An accelerator begins smaller, too, and stays there where it is slow: a product of 8,192 rows takes some seconds.
DEVICE_SIDE, SHORT_DEVICE_SECONDS = 2048, 0.02
#: The products' left side is taken from another row with each call, so that none can be answered from the last.
SHIFTS, SHIFT = 4, 16
_TILE = 1 << 22


class TooLittleMemoryError(Exception):
    """The work does not fit what is free."""


class WrongAnswerError(Exception):
    """The device did not do the work."""


class Work(Struct):
    """One kind of work: `call(i)` does it the i-th time and returns what it wrote, `amount` is in units of the rate.

    `before()` spoils what the last call wrote; `check(i)` raises WrongAnswerError where the i-th call did not do its
    work.
    """

    name: RateName
    amount: float
    intensity: float | None
    call: Callable[[int], Any]
    before: Callable[[], object] = lambda: None
    check: Callable[[int], None] = lambda _: None


def copy_work(bench: Bench, tile: Any, cache_bytes: int) -> Work:
    """Copy within the device; bytes read and bytes written count. Slices of two large buffers, one after another.

    Raises:
        TooLittleMemoryError: the buffers would stay in the last-level cache.
    """
    torch = bench.torch
    wanted = max(256 * MIB, 2 * cache_bytes) if bench.is_cpu else max(1024 * MIB, 4 * cache_bytes)
    size = _scaled(bench, wanted, parts=4)
    _outgrow("copy", 2 * size, 2 * cache_bytes)
    part = min(size, 32 * MIB) if bench.is_cpu else size
    count = size // part
    source = bench.random((count, part // 4), torch.float32, tile)
    target = torch.zeros_like(source)

    def check(last: int) -> None:
        place = last % count
        step = 4099  # no multiple of a page, a line or a power of two
        if not torch.equal(target[place][::step].cpu(), source[place][::step].cpu()):
            raise WrongAnswerError("the copy is not what was copied")

    return Work(
        "copy",
        2 * part / 1e9,
        None,
        lambda i: target[i % count].copy_(source[i % count]),
        lambda: _spoil(target),
        check,
    )


def _spoil(target: Any) -> None:
    target[:, ::4099] = math.nan


def product_work(bench: Bench, name: RateName, seed: int, clock: Callable[[], float]) -> Work:
    """Multiply square matrices of random values in one precision; each product that ends a round is checked.

    Raises:
        TooLittleMemoryError: the smallest does not fit.
        Exception: whatever torch raises where the device has no such precision.
    """
    side, largest, short = CPU_SIDE, LARGEST_CPU_SIDE, SHORT_SECONDS
    if not bench.is_cpu:
        side, largest, short = DEVICE_SIDE, SIDE, SHORT_DEVICE_SECONDS
    spare = bench.spare_bytes() // 3
    while side > LEAST_SIDE and 20 * side * side > spare:  # operands, result, and what a library packs them into
        side //= 2
    if 20 * side * side > spare:
        raise TooLittleMemoryError(f"{spare // MIB:,} MiB are free for products")
    work = _product(bench, name, seed, side)
    while side < largest and 20 * (2 * side) ** 2 <= spare:
        taken = min(_time(bench, work, clock) for _ in range(3))
        if taken >= short:
            break
        side *= 2
        work = _product(bench, name, seed, side)
    return work


def _time(bench: Bench, work: Work, clock: Callable[[], float]) -> float:
    begun = clock()
    bench.synchronize(work.call(0))
    return clock() - begun


def _product(bench: Bench, name: RateName, seed: int, side: int) -> Work:
    torch = bench.torch
    kinds = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp8": "float8_e4m3fn"}
    dtype = getattr(torch, kinds[name])
    generator = torch.Generator().manual_seed(seed)
    rows = min(side, max(_TILE // side, 1))
    left = torch.randn((rows, side), generator=generator).to(dtype)
    right = torch.randn((rows, side), generator=generator).to(dtype)
    tall = _repeated(bench, left, side + SHIFTS * SHIFT)
    factor = _repeated(bench, right, side).t()
    out = torch.empty((side, side), dtype=torch.bfloat16 if name == "fp8" else dtype, device=bench.device)
    one = torch.ones((), device=bench.device) if name == "fp8" else None

    def call(i: int) -> Any:
        begin = i % SHIFTS * SHIFT
        if one is None:
            return torch.mm(tall[begin : begin + side], factor, out=out)
        return torch._scaled_mm(tall[begin : begin + side], factor, one, one, out_dtype=torch.bfloat16, out=out)

    def check(last: int) -> None:
        begin = last % SHIFTS * SHIFT
        host_left = torch.roll(left.float(), -begin, 0)
        found, most = wrong_by(torch, out, host_left, right.float(), generator), allowed(name, side)
        if not found <= most:
            raise WrongAnswerError(
                f"the product is wrong: a row is off by {found:.2g} of its size, and {most:.2g} is rounding"
            )

    intensity = 2 * side / (2 * tall.element_size() + out.element_size())
    return Work(name, 2 * side**3 / 1e12, intensity, call, lambda: out.fill_(math.nan), check)


def _repeated(bench: Bench, tile: Any, rows: int) -> Any:
    """Return `rows` rows on the device: those of `tile` over and over."""
    found = bench.torch.empty((rows, tile.shape[1]), dtype=tile.dtype, device=bench.device)
    there = tile.to(bench.device)
    for start in range(0, rows, tile.shape[0]):
        part = found[start : start + tile.shape[0]]
        part.copy_(there[: part.shape[0]])
    return found


def decode_work(bench: Bench, tile: Any, cache_bytes: int) -> Work:
    """One token of a stack of Llama-shaped layers in bf16: bytes of weights and cache that are read count.

    Raises:
        TooLittleMemoryError: the stack would stay in the last-level cache.
    """
    from policy_engine.probe.layers import LARGE, SMALL, Layer

    shape = SMALL if bench.is_cpu else LARGE
    spare = bench.spare_bytes() // 2
    while shape.bytes * 2 > spare and shape.hidden > 512:
        shape = shape.halved()
    count = min(spare // shape.bytes, max(2 if bench.is_cpu else 8, math.ceil(4 * cache_bytes / shape.bytes)))
    if count < 1:
        raise TooLittleMemoryError(f"{spare // MIB:,} MiB are free for a stack of layers")
    _outgrow("decode", count * shape.bytes, 2 * cache_bytes)
    layers = [Layer(bench, shape, tile) for _ in range(count)]
    token = bench.random((1, shape.hidden), bench.torch.bfloat16, tile)
    finite = bench.torch.isfinite
    last: list[Any] = [token]

    def call(i: int) -> Any:
        x = token
        # one layer after another on a CPU, so that a call is short; the whole stack where launching takes time
        for layer in [layers[i % count]] if bench.is_cpu else layers:
            x = layer(x)
        last[0] = x
        return x

    def check(_: int) -> None:
        answer = last[0]
        if not bool(finite(answer).all()) or not bool((answer != token).any()):
            raise WrongAnswerError("the decode step returned what no layer computes")

    # two operations for each weight of two bytes
    return Work("decode", shape.bytes * (1 if bench.is_cpu else count) / 1e9, 1.0, call, lambda: None, check)


def _scaled(bench: Bench, wanted: int, parts: int) -> int:
    """Return `wanted` bytes, or what a part of the spare memory has room for, in whole MiB."""
    return min(wanted, bench.spare_bytes() // parts) // MIB * MIB


def _outgrow(name: str, size: int, cache: int) -> None:
    if size < max(cache, MIB):
        raise TooLittleMemoryError(
            f"{size // MIB:,} MiB are free for {name}, which caches of {cache // 2 // MIB:,} MiB would hold"
        )
