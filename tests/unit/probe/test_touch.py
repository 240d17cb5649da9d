"""Memory by touch: what is there twice, forgets, or is not there does not count, and a reserve is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from policy_engine.probe.device import Bench
from policy_engine.probe.limits import Usable
from policy_engine.probe.report import Memory
from policy_engine.probe.touch import MIB, OVER, touch
from tests.unit.probe.trees import GIB, Replaced


class Small(Bench):
    """The CPU, with `spare` bytes to be had, above a reserve."""

    def __init__(self, library: Any = torch, spare: int = 96 * MIB) -> None:
        super().__init__(library, torch.device("cpu"))
        self.spare, self.held = spare, 0

    def memory(self) -> Usable:
        return Usable(4 * GIB, GIB + self.spare - self.held, None, None)

    def reserve(self, found: Usable) -> int:
        return GIB

    def synchronize(self, last: Any = None) -> None:
        super().synchronize(last)
        if last is not None:
            self.held += last.numel() * last.element_size()


def seconds(total: float) -> Callable[[], float]:
    end = time.perf_counter() + total
    return lambda: end - time.perf_counter()


def touched(bench: Bench, total: float = 20.0) -> Memory:
    return touch(bench, 7, seconds(total))


def test_what_is_free_is_written_and_read_back_and_the_reserve_is_kept() -> None:
    bench = Small()
    found = touched(bench)
    assert found.intact is True
    assert found.touched_bytes == bench.held == 96 * MIB
    assert found.stopped == "nothing more is free but the reserve"
    assert (found.total_bytes, found.free_bytes) == (4 * GIB, GIB + 96 * MIB)


def test_no_more_is_written_than_is_claimed() -> None:
    found = touch(Small(), 7, seconds(20.0), 30 * MIB)
    assert 30 * MIB <= found.touched_bytes < 96 * MIB
    assert (found.intact, found.stopped) == (True, "that is all that is claimed")


def test_others_that_take_memory_meanwhile_are_left_theirs() -> None:
    bench = Small(spare=256 * MIB)
    asked: list[int] = []

    def memory() -> Usable:
        asked.append(1)
        taken = 128 * MIB if len(asked) > 3 else 0
        return Usable(4 * GIB, GIB + 256 * MIB - bench.held - taken, None, None)

    bench.memory = memory  # type: ignore[method-assign]
    assert touched(bench).touched_bytes <= 128 * MIB


@pytest.mark.parametrize("total", [0.0, -1.0])
def test_without_time_nothing_is_written(total: float) -> None:
    found = touched(Small(), total)
    assert (found.touched_bytes, found.intact, found.stopped) == (0, None, OVER)


def test_memory_that_is_there_twice_does_not_read_back() -> None:
    whole = torch.empty(96 * MIB // 8, dtype=torch.int64)

    def empty(count: int, **_: Any) -> Any:
        return whole[:count]  # every block is the same memory

    assert touched(Small(Replaced(torch, empty=empty))).intact is False


def test_memory_that_wraps_around_within_a_block_does_not_read_back() -> None:
    class Wrapped(Replaced):
        def arange(self, start: int, end: int, step: int = 1, out: Any = None) -> Any:
            if out is None:
                return torch.arange(start, end, step)
            half = out.numel() // 2
            torch.arange(start + half, end, out=out[half:])
            return out[:half].copy_(out[half:])

    assert touched(Small(Wrapped(torch))).intact is False


def test_memory_that_takes_nothing_does_not_read_back() -> None:
    class Forgetful(Replaced):
        def arange(self, start: int, end: int, step: int = 1, out: Any = None) -> Any:
            return torch.arange(start, end, step) if out is None else out.zero_()

    assert touched(Small(Forgetful(torch))).intact is False


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError(), torch.OutOfMemoryError("x")])
def test_a_device_that_refuses_keeps_what_it_gave(error: Exception) -> None:
    blocks = 0

    def empty(*arguments: Any, **options: Any) -> Any:
        nonlocal blocks
        blocks += 1
        if blocks > 2:
            raise error
        return torch.empty(*arguments, **options)

    found = touched(Small(Replaced(torch, empty=empty)))
    assert found.intact is True
    assert 0 < found.touched_bytes < 96 * MIB
    assert found.stopped is not None
    assert found.stopped.startswith(type(error).__name__)


def test_unknown_free_memory_is_not_touched() -> None:
    bench = Small()
    bench.memory = lambda: Usable(None, None, None, None)  # type: ignore[method-assign]
    found = touched(bench)
    assert (found.total_bytes, found.touched_bytes, found.intact) == (None, 0, None)
