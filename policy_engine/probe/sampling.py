"""Measure rates in interleaved rounds: the best of many short samples in each, warmed up, within a time.

Interleaved, so that a bad second hits one round of each rate and not all rounds of one. The best, because others can
only ever slow a device down. A CPU's samples are short, so that some fit between two interruptions.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence

from msgspec import Struct

from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench, one_line
from policy_engine.probe.report import Rate, RateName
from policy_engine.probe.work import Work, WrongAnswerError

ROUNDS = 3
#: Seconds that one sample should take at least: what reading the clock and starting the work cost must not count.
_CPU_SAMPLE, _DEVICE_SAMPLE = 0.002, 0.02
_MOST_REPEATS = 10_000
NO_TIME = "no time was left for it"


class Sampled(Struct):
    """What was found of one rate so far."""

    name: RateName
    intensity: float | None = None
    rounds: list[float] = []
    busy: list[float] = []
    problem: str | None = None
    repeats: int = 0

    @property
    def rate(self) -> Rate:
        problem = self.problem or (None if self.rounds else NO_TIME)
        return Rate(
            name=self.name, rounds=tuple(self.rounds), busy=tuple(self.busy), problem=problem, intensity=self.intensity
        )


def measure(bench: Bench, works: Sequence[Work], budget: Budget, stage: str = "rounds") -> tuple[Rate, ...]:
    """Return a rate of each work, over as many rounds as there was time for; what fails is said in `problem`."""
    found = [Sampled(work.name, work.intensity) for work in works]
    for number in range(ROUNDS):
        for place, (work, sampled) in enumerate(zip(works, found, strict=True)):
            to_go = (ROUNDS - number) * len(works) - place
            seconds = budget.left_of(stage) / to_go
            # where setting up took all the time, one sample of each is better than none
            if sampled.problem is None and (seconds > 0 or (number == 0 and not budget.is_over)):
                sample(bench, work, sampled, seconds, budget)
    return tuple(each.rate for each in found)


def sample(bench: Bench, work: Work, sampled: Sampled, seconds: float, budget: Budget) -> None:
    """Add a round: the best rate of the samples that fit into `seconds`, one at least."""
    try:
        _sample(bench, work, sampled, budget.clock() + seconds, budget)
    except WrongAnswerError as error:
        sampled.problem = str(error)
    except Exception as error:  # noqa: BLE001 - odd hardware is a finding, and no end of the report
        sampled.problem = one_line(error)


def _sample(bench: Bench, work: Work, sampled: Sampled, end: float, budget: Budget) -> None:
    clock, best, busy, called = budget.clock, 0.0, 0.0, 0
    bench.synchronize(work.call(0))  # warm: caches, clocks, and what a library sets up at its first call
    work.before()
    bench.synchronize()
    if not sampled.repeats:
        sampled.repeats = _repeats(bench, work, budget)
    while True:
        begun, cpu_begun = clock(), time.process_time()
        for _ in range(sampled.repeats):
            last = work.call(called)
            called += 1
        bench.synchronize(last)
        taken = clock() - begun
        if taken > 0 and sampled.repeats * work.amount / taken > best:
            best, busy = sampled.repeats * work.amount / taken, (time.process_time() - cpu_begun) / taken
        # a clock that stands still or goes backwards ends the round, too
        if taken <= 0 or not begun < clock() < end - taken:
            break
    work.check(called - 1)
    # an answer that happened to lie there is not the next one, too
    work.before()
    bench.synchronize(work.call(called))
    work.check(called)
    if best <= 0:
        sampled.problem = "the clock did not advance"
        return
    sampled.rounds.append(best)
    if bench.is_cpu:
        sampled.busy.append(min(busy / bench.torch.get_num_threads(), 1.0))


def _repeats(bench: Bench, work: Work, budget: Budget) -> int:
    """Return how many calls make a sample: the time of one, taken twice, is the least of both."""
    wanted = _CPU_SAMPLE if bench.is_cpu else _DEVICE_SAMPLE
    times = []
    for _ in range(2):
        begun = budget.clock()
        bench.synchronize(work.call(0))
        times.append(budget.clock() - begun)
    return max(1, min(int(wanted / max(min(times), 1e-7)) + 1, _MOST_REPEATS))


def switches() -> int:
    """Return how often this process was taken off a processor against its will, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
