"""Products are checked: a device that returns garbage, or nothing, fast is caught; one that is right is not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench
from policy_engine.probe.freivalds import allowed, wrong_by
from policy_engine.probe.sampling import measure
from policy_engine.probe.work import Work, decode_work, product_work
from tests.unit.probe.trees import Replaced

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
N = 256


def operands(name: str, seed: int) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn((N, N), generator=generator).to(DTYPES[name]) for _ in range(2)]
    return made[0], made[1]


def difference(product: Any, left: Any, right: Any, seed: int = 0) -> float:
    return wrong_by(torch, product, left, right, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", DTYPES)
def test_right_products_are_far_within_the_bound(name: str) -> None:
    found = [difference(torch.mm(a, b.t()), a, b, seed) for seed in range(20) for a, b in [operands(name, seed)]]
    assert max(found) <= allowed(name, N)
    assert max(found) > allowed(name, N) / 1000, "a bound so wide finds nothing"


def one_row(c: Any) -> None:
    c[17] = torch.randn(N, generator=torch.Generator().manual_seed(9)).to(c.dtype) * 16


def one_entry(c: Any) -> None:
    c[5, 7] += 1000


def nothing(c: Any) -> None:
    c.zero_()


def not_a_number(c: Any) -> None:
    c[3, 3] = float("nan")


def scaled(c: Any) -> None:
    c *= 1.25


def shifted(c: Any) -> None:
    c.copy_(torch.roll(c, 1, 0))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("corrupt", [one_row, one_entry, nothing, not_a_number, scaled, shifted])
def test_wrong_products_are_found(name: str, corrupt: Callable[[Any], None]) -> None:
    for seed in range(5):
        a, b = operands(name, seed)
        product = torch.mm(a, b.t())
        corrupt(product)
        assert difference(product, a, b, seed) > allowed(name, N)


def test_a_product_of_lower_precision_than_said_is_found() -> None:
    a, b = operands("fp32", 1)
    product = torch.mm(a.bfloat16(), b.bfloat16().t()).float()
    assert difference(product, a, b) > allowed("fp32", N)


def measured(library: Any, name: str = "bf16", seconds: float = 0.6) -> Any:
    """Measure one product on a device whose torch is `library`."""
    bench = Bench(library, torch.device("cpu"))
    with torch.inference_mode():
        work = product_work(bench, name, 1, time.perf_counter)  # type: ignore[arg-type]
        return measure(bench, [work], Budget(seconds))[0]


def test_the_real_device_is_measured() -> None:
    rate = measured(torch, "fp32", 3.0)
    assert rate.problem is None
    assert rate.best > 0
    assert 1 <= len(rate.rounds) == len(rate.busy) <= 3
    assert rate.intensity > 10


def lazy() -> Callable[..., Any]:
    """Do the first two products of each size, then leave what is there."""
    calls: Counter[Any] = Counter()

    def mm(a: Any, b: Any, out: Any) -> Any:
        calls[out.shape] += 1
        return torch.mm(a, b, out=out) if calls[out.shape] <= 2 else out

    return mm


def answering_from_memory() -> Callable[..., Any]:
    """Do one product of each size, and give that answer for ever after."""
    kept: dict[Any, Any] = {}

    def mm(a: Any, b: Any, out: Any) -> Any:
        if out.shape not in kept:
            kept[out.shape] = torch.mm(a, b)
        return out.copy_(kept[out.shape])

    return mm


GARBAGE: dict[str, Callable[[], Callable[..., Any]]] = {
    "nothing": lambda: lambda a, b, out: out,
    "ones": lambda: lambda a, b, out: out.fill_(1.0),
    "operand": lambda: lambda a, b, out: out.copy_(a),
    "lazy": lazy,
    "memory": answering_from_memory,
}


@pytest.mark.parametrize("device", GARBAGE)
def test_a_device_that_returns_garbage_fast_has_no_rate(device: str) -> None:
    rate = measured(Replaced(torch, mm=GARBAGE[device]()))
    assert rate.problem is not None
    assert "the product is wrong" in rate.problem
    assert rate.best is None


def test_a_decode_step_that_does_nothing_is_found() -> None:
    bench = Bench(torch, torch.device("cpu"))
    with torch.inference_mode():
        work = decode_work(bench, torch.randn(4096), 1 << 20)
        assert measure(bench, [work], Budget(1.0))[0].problem is None
        idle = Work("decode", work.amount, 1.0, lambda _: torch.zeros(1), check=work.check)
        work.call(0).fill_(float("nan"))
        rate = measure(bench, [idle], Budget(0.5))[0]
    assert rate.problem == "the decode step returned what no layer computes"


@pytest.mark.parametrize("side", [512, 1024])
def test_a_product_of_eight_bit_integers_is_no_bf16_product(side: int) -> None:
    """Units for integers run at twice the rate: each row rounded to 255 steps is caught, an honest product passes."""
    from policy_engine.probe.freivalds import allowed, wrong_by

    generator = torch.Generator().manual_seed(3)
    left, right = (torch.randn((side, side), generator=generator).bfloat16() for _ in range(2))

    def stepped(rows: Any) -> Any:
        size = rows.float().abs().amax(1, keepdim=True) / 127
        return (rows.float() / size).round() * size

    for product, honest in (
        (torch.mm(left, right.t()), True),
        ((stepped(left) @ stepped(right).t()).bfloat16(), False),
    ):
        found = wrong_by(torch, product, left.float(), right.float(), generator)
        assert (found <= allowed("bf16", side)) is honest, found
