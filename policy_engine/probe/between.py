"""Copies that leave a device: from pinned memory of the host to it, and from one device to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench, one_line
from policy_engine.probe.limits import usable_memory
from policy_engine.probe.report import Rate, RateName
from policy_engine.probe.sampling import NO_TIME, measure
from policy_engine.probe.work import MIB, Work, WrongAnswerError

_LARGEST = 256 * MIB
_STEP = 4099


def host_to_device(bench: Bench, tile: Any, budget: Budget) -> Rate:
    """Return the rate of copies from pinned memory of the host."""
    try:
        free = usable_memory().free_bytes or 0
        size = min(_LARGEST, free // 8, bench.spare_bytes() // 4) // MIB * MIB
        if not size:
            return Rate(name="host_to_device", problem="too little memory is free")
        pinned = bench.torch.empty(size // 4, dtype=bench.torch.float32, pin_memory=True)
        pinned.copy_(tile.view(-1).repeat(size // 4 // tile.numel() + 1)[: size // 4])
        return _copies(bench, "host_to_device", pinned, budget)
    except Exception as error:  # noqa: BLE001 - odd hardware is a finding
        return Rate(name="host_to_device", problem=one_line(error))


def peers(benches: Sequence[Bench], tile: Any, budget: Budget) -> tuple[Rate, ...]:
    """Return the rate of copies from each device to the next one, and from the last to the first, in this order."""
    if len(benches) < 2:
        return ()
    pairs = list(zip(benches, [*benches[1:], benches[0]], strict=True))
    pairs = pairs if len(benches) > 2 else pairs[:1]
    found = []
    for place, (one, other) in enumerate(pairs):
        with budget.narrowed("between", len(pairs) - place):
            found.append(_peer(one, other, tile, budget))
    return tuple(found)


def _peer(one: Bench, other: Bench, tile: Any, budget: Budget) -> Rate:
    try:
        size = min(_LARGEST, one.spare_bytes() // 4, other.spare_bytes() // 4) // MIB * MIB
        if not size:
            return Rate(name="peer", problem="too little memory is free")
        return _copies(other, "peer", one.random((size // 4,), one.torch.float32, tile), budget)
    except Exception as error:  # noqa: BLE001 - odd hardware is a finding
        return Rate(name="peer", problem=one_line(error))


def _copies(bench: Bench, name: RateName, source: Any, budget: Budget) -> Rate:
    if budget.left_of("between") <= 0:
        return Rate(name=name, problem=NO_TIME)
    target = bench.torch.zeros_like(source, device=bench.device)

    def check(_: int) -> None:
        if not bench.torch.equal(target[::_STEP].cpu(), source[::_STEP].cpu()):
            raise WrongAnswerError("the copy is not what was copied")

    size = source.numel() * source.element_size()
    work = Work(name, size / 1e9, None, lambda _: target.copy_(source, non_blocking=True), target.zero_, check)
    return measure(bench, [work], budget, "between")[0]
