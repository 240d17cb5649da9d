"""The time that a run of the probe may take, and how it is spread over the stages.

A stage ends by a share of the whole; what an earlier stage leaves is for the later ones. The clock is monotonic; one
that is found to run backwards has no time left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]

#: Kept back for what runs over its end by one call, for the verdicts and the report.
MARGIN = 0.12
#: When each stage ends, as a part of what is left after torch was imported.
#: Where memory is claimed, touching may take longer: pages of a host come at a GiB or two a second.
LONG_TOUCH = 0.55
ENDS = {"threads": 0.06, "touch": 0.22, "rounds": 0.84, "sustained": 0.96, "between": 1.0}


class Budget:
    """Seconds from `began` on a monotonic clock; stages are cut from what is left when `plan` is called."""

    def __init__(self, seconds: float, began: float | None = None, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.began = clock() if began is None else began
        self.seconds = seconds
        self._from = self.began
        self._narrowed: float | None = None
        self._ends = ENDS

    @property
    def spent(self) -> float:
        return self.clock() - self.began

    @property
    def last(self) -> float:
        """The time on the clock at which measuring ends."""
        return self.began + self.seconds * (1 - MARGIN)

    def plan(self, *, long_touch: bool = False) -> None:
        """Spread what is left from now on."""
        self._ends = {**ENDS, "touch": LONG_TOUCH} if long_touch else ENDS
        self._from = min(self.clock(), self.last)

    @property
    def is_over(self) -> bool:
        """Whether not even a single call should begin any more: half of what is kept back is spent."""
        return self.clock() > self.began + self.seconds * (1 - MARGIN / 2)

    def end_of(self, stage: str) -> float:
        """Return the time on the clock at which `stage` has to end."""
        end = self._from + (self.last - self._from) * self._ends[stage]
        return end if self._narrowed is None else min(end, self._narrowed)

    @contextmanager
    def narrowed(self, stage: str, among: int) -> Iterator[None]:
        """Let what is called have an equal share, among so many, of what a stage has left."""
        self._narrowed = self.clock() + self.left_of(stage) / among
        try:
            yield
        finally:
            self._narrowed = None

    def left_of(self, stage: str) -> float:
        """Return the seconds that `stage` still has; none where the clock ran backwards."""
        now = self.clock()
        return max(self.end_of(stage) - now, 0.0) if now >= self._from else 0.0
