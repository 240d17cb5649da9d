"""Keep a matrix product up on every device at once: a device that throttles is slower at the end than at the start."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench
from policy_engine.probe.report import Sustained
from policy_engine.probe.work import Work

#: Less than this says nothing about throttling.
LEAST_SECONDS = 0.5
_SAMPLE = 0.05


def sustain(benches: Sequence[Bench], works: Sequence[Work | None], budget: Budget) -> tuple[Sustained | None, ...]:
    """Return for each device what its product did; None where it has none, failed, or there was no time."""
    if budget.left_of("sustained") < LEAST_SECONDS:
        return tuple(None for _ in benches)
    if len(benches) == 1:  # a thread of its own would start a pool of threads of its own
        return (_keep_up(benches[0], works[0], budget),)
    with ThreadPoolExecutor(len(benches)) as pool:
        return tuple(pool.map(_keep_up, benches, works, [budget] * len(benches)))


def _keep_up(bench: Bench, work: Work | None, budget: Budget) -> Sustained | None:
    if work is None:
        return None
    try:
        with bench.torch.inference_mode():  # it holds for one thread
            return over(_samples(bench, work, budget))
    except Exception:  # noqa: BLE001 - what a device cannot keep up is not measured
        return None


def _samples(bench: Bench, work: Work, budget: Budget) -> list[tuple[float, float, float]]:
    """Return begin, end and amount of each sample until the stage ends."""
    clock, found, repeats, called = budget.clock, [], 1, 0
    bench.synchronize(work.call(0))
    while budget.left_of("sustained") > 0:
        begun = clock()
        for _ in range(repeats):
            last = work.call(called)
            called += 1
        bench.synchronize(last)
        ended = clock()
        if ended <= begun:
            break
        found.append((begun, ended, work.amount * repeats))
        repeats = max(1, min(int(repeats * _SAMPLE / (ended - begun)), 10 * repeats))
    return found


def over(samples: Sequence[tuple[float, float, float]]) -> Sustained | None:
    """Return the mean rates of the first and the last second; of thirds, where all was less than three seconds."""
    if len(samples) < 2:
        return None
    begun, ended = samples[0][0], samples[-1][1]
    window = min(1.0, (ended - begun) / 3)
    first = [each for each in samples if each[0] < begun + window]
    last = [each for each in samples if each[1] > ended - window]
    return Sustained(seconds=ended - begun, first=_mean(first), last=_mean(last))


def _mean(samples: Sequence[tuple[float, float, float]]) -> float:
    taken = sum(end - begin for begin, end, _ in samples)
    return sum(amount for _, _, amount in samples) / taken if taken > 0 else 0.0
