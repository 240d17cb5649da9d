"""Signs that a device was not this process's alone, or not steady, while it was measured."""

from __future__ import annotations

import os
from collections.abc import Sequence

from policy_engine.probe.report import Memory, Rate, Sustained
from policy_engine.probe.sampling import ROUNDS

LEAST_BUSY, LEAST_SUSTAINED = 0.9, 0.9
SHARED_CPU = "the host's processors are never known to be this process's alone"


def signs(
    rates: Sequence[Rate], sustained: Sustained | None, memory: Memory, *, is_cpu: bool, switched: int
) -> tuple[str, ...]:
    """Return a sentence for each sign, the telling ones first."""
    found = [*_slowed(rates, switched), *_load()] if is_cpu else []
    few = [rate.name for rate in rates if rate.problem is None and len(rate.rounds) < ROUNDS]
    if few:
        found.append(f"there was no time for {ROUNDS} rounds of {', '.join(few)}")
    if sustained is not None and sustained.ratio < LEAST_SUSTAINED:
        found.append(f"a product that was kept up ended at {sustained.ratio:.2f} of the rate that it began with")
    if memory.intact is False:
        found.append("its memory did not keep what was written")
    if not is_cpu and sustained is None:
        found.append("no product was kept up, so that throttling would not show")
    return (*found, *([SHARED_CPU] if is_cpu else []))


def _slowed(rates: Sequence[Rate], switched: int) -> list[str]:
    found = []
    least = min((busy for rate in rates for busy in rate.busy), default=1.0)
    if least < LEAST_BUSY:
        found.append(f"the process had its processors for {least:.2f} of a sample")
    if switched:
        found.append(f"it was taken off a processor {switched:,} times")
    return found


def _load() -> list[str]:
    try:
        load = os.getloadavg()[0]
    except OSError:
        return ["the host's load cannot be read"]
    count = os.cpu_count() or 1
    return [f"the load of the last minute is {load:.2f} on {count} processors"] if load > 0.5 * count + 1 else []
