"""Time things that are compared side by side, so that a busy machine is unkind to all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter


def interleaved(tasks: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Run every task once a round, after one round that does not count; return the seconds of each task's runs."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for number in range(rounds + 1):
        for task, found in zip(tasks, seconds, strict=True):
            started = perf_counter()
            task()
            if number:
                found.append(perf_counter() - started)
    return seconds


def paired_ratio(runs: Sequence[float], reference: Sequence[float]) -> float:
    """The median over the rounds of how many times longer a run took than the reference's run of the same round."""
    return median(run / other for run, other in zip(runs, reference, strict=True))
