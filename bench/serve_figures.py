"""Servers asked by turns: rates, latencies and CPU of each, beside those of the peer in the same round."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.serve_load import Load, Stream, ask
from bench.serve_processes import busy_seconds, cpu_seconds
from bench.timing import paired_ratio

#: Where the aims hold: requests a second at least those of the peer, and the 99th percentile at most its.
AIM_CONNECTIONS = 16
#: From which part of the machine on it is told that somebody else took it.
MUCH = 0.1


@dataclass
class Side:
    """A server that is asked: `answered` counts its answers with status 200, those outside the load included."""

    name: str
    processes: tuple[int, ...]
    answered: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Run:
    """One load on one server: the CPU seconds that its processes took meanwhile, and that everybody took."""

    load: Load
    cpu: float
    busy: float

    @property
    def cpu_us(self) -> float:
        return self.cpu / max(self.load.answered, 1) * 1e6

    @property
    def others(self) -> float:
        """The part of the machine that neither the server nor the load took."""
        spare = self.busy - self.cpu - self.load.generator_seconds
        return max(spare, 0.0) / (self.load.seconds * (os.cpu_count() or 1)) if self.load.seconds else 0.0


@dataclass
class Figures:
    """Runs of several servers on one stream over so many connections; the peer comes last."""

    sides: Sequence[Side]
    streams: Sequence[Stream]
    connections: int
    runs: list[list[Run]] = field(default_factory=list)

    def measure(self, rounds: int, seconds: float, first: int) -> int:
        """Ask each server once a round, after one short round that does not count; return the next free number.

        Each round begins with another server: what one leaves to be done, a disk or a database, does not always fall
        on the same one.
        """
        self.runs = [[] for _ in self.sides]
        for number in range(rounds + 1):
            for place in range(len(self.sides)):
                at = (number + place) % len(self.sides)
                side, stream, runs = self.sides[at], self.streams[at], self.runs[at]
                before, busy = cpu_seconds(side.processes), busy_seconds()
                load = ask(stream, self.connections, seconds if number else min(seconds, 1.0), first)
                first += sum(load.statuses.values()) + self.connections
                side.answered += load.answered
                side.failed += load.failed
                if number:
                    runs.append(Run(load, cpu_seconds(side.processes) - before, busy_seconds() - busy))
        return first

    def report(self) -> None:
        """Print a line for each server: medians of its runs, and medians of the ratios to the peer's of the round."""
        for side, runs in zip(self.sides, self.runs, strict=True):
            rate, p50, p99 = (median(getattr(run.load, name) for run in runs) for name in ("rate", "p50_ms", "p99_ms"))
            cpu = median(run.cpu_us for run in runs)
            others = median(run.others for run in runs)
            taken = f"   (somebody else took {others:.0%} of the machine)" if others > MUCH else ""
            failed = sum(run.load.failed for run in runs)
            words = f"{self.connections:>3} {'connection ' if self.connections == 1 else 'connections'} {side.name:<17}"
            print(
                f"  {words} {rate:7,.0f}/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   CPU {cpu:6,.0f} us a request"
                f"{self._beside(runs)}{taken}{f'   {failed} FAILED' if failed else ''}",
                flush=True,
            )

    def _beside(self, runs: Sequence[Run]) -> str:
        peer = self.runs[-1]
        if runs is peer:
            generator = median(run.load.generator_seconds / max(run.load.answered, 1) for run in peer)
            return f"   (the load itself {generator * 1e6:.0f} us)"
        more = paired_ratio([run.load.rate for run in runs], [run.load.rate for run in peer])
        slower = paired_ratio([run.load.p99_ms for run in runs], [run.load.p99_ms for run in peer])
        at_least, at_most = (", at least 1", ", at most 1") if self.connections == AIM_CONNECTIONS else ("", "")
        return f"   {more:5.2f} times its rate{at_least}; {slower:5.2f} times its p99{at_most}"
