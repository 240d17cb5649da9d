"""Choose how many threads a CPU is measured with, by measuring: on a busy host fewer can be faster."""

from __future__ import annotations

from collections.abc import Callable

from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench
from policy_engine.probe.limits import usable_memory, usable_processors

_SIDE = 512
#: What a thread takes of address space: its stack, and an arena of the allocator.
_THREAD_BYTES = 160 << 20


def choose_threads(bench: Bench, budget: Budget) -> int:
    """Set and return the number of threads with which products are fastest; others are tried as time allows."""
    torch, counts = bench.torch, candidates(_most())
    torch.set_num_threads(counts[0])
    matrix = torch.randn((_SIDE, _SIDE), generator=torch.Generator().manual_seed(0))
    out = torch.empty_like(matrix)
    found: dict[int, float] = {}
    end = budget.end_of("threads")
    for place, count in enumerate(counts):
        torch.set_num_threads(count)
        until = budget.clock() + (end - budget.clock()) / (len(counts) - place)
        fastest = _fastest(lambda: torch.mm(matrix, matrix, out=out), until, budget.clock)
        if fastest is not None:
            found[count] = fastest
    # of two that are as fast the fewer
    best = min(found, key=lambda count: (found[count], count), default=counts[0])
    torch.set_num_threads(best)
    return best


def candidates(most: int) -> list[int]:
    """Return the counts that are tried: all, half of them, and one."""
    return sorted({most, max(most // 2, 1), 1}, reverse=True)


def _most() -> int:
    usable = usable_memory()
    room = usable.free_bytes if usable.limited_by in ("RLIMIT_AS", "RLIMIT_DATA") else None
    return max(1, min(usable_processors(), (room or 1 << 60) // _THREAD_BYTES))


def _fastest(call: Callable[[], object], until: float, clock: Callable[[], float]) -> float | None:
    """Return the shortest of the times that a call took until then; the first warms up."""
    call()
    best = None
    while best is None or clock() < until:
        begun = clock()
        call()
        taken = clock() - begun
        if taken <= 0:
            break
        best = taken if best is None else min(best, taken)
    return best
