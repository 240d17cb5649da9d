"""Memory under load: resident bytes of all processes every ten seconds, and whether they grow."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

from bench.serve_engine import Engine
from bench.serve_load import Load, Stream, ask
from bench.serve_processes import resident_bytes

EVERY_SECONDS, SETTLING_SECONDS = 10.0, 60.0
CONNECTIONS = 16
MOST_GROWTH = 0.02


@dataclass(frozen=True)
class Memory:
    """Seconds since the load began, and the bytes that were resident then."""

    seconds: tuple[float, ...]
    sizes: tuple[int, ...]

    @property
    def per_minute(self) -> float:
        """The slope of a straight line through what was seen, in bytes a minute."""
        return linear_regression(self.seconds, self.sizes).slope * 60 if len(self.sizes) > 1 else 0.0

    @property
    def growth(self) -> float:
        """How much more the last is than the first, as a part of the first."""
        return self.sizes[-1] / self.sizes[0] - 1


def soak(engine: Engine, stream: Stream, seconds: float, first: int) -> tuple[Load, Memory, Memory]:
    """Ask for so long; return the load, and the memory of the engine's own processes and of all, once it settled."""
    seen: list[tuple[float, int, int]] = []
    over = threading.Event()

    def watch() -> None:
        passed = 0.0
        while not over.wait(EVERY_SECONDS):
            passed += EVERY_SECONDS
            own, every = resident_bytes(engine.processes[:1]), resident_bytes(engine.processes)
            seen.append((passed, own, every))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        load = ask(stream, CONNECTIONS, seconds, first)
    finally:
        over.set()
        watcher.join()
    kept = [each for each in seen if SETTLING_SECONDS <= each[0] <= seconds] or seen
    return load, _memory(kept, 1), _memory(kept, 2)


def _memory(seen: Sequence[tuple[float, int, int]], column: int) -> Memory:
    return Memory(tuple(each[0] for each in seen), tuple(int(each[column]) for each in seen))


def report(name: str, load: Load, own: Memory, every: Memory) -> None:
    """Print the rate over the whole time, and how the memory went."""
    whole = f"{load.rate:,.0f} requests/s for {load.seconds:,.0f} s, p99 {load.p99_ms:.1f} ms, {load.failed} failed"
    print(f"  {name:<24} {whole}")
    # a database's buffers count in each of its processes that went through them, until all are full
    aim = f"; below {MOST_GROWTH:.0%} is aimed at"
    for what, memory, aimed in (("its processes", own, aim), ("with the database's", every, "")):
        first, last = memory.sizes[0] / 1e6, memory.sizes[-1] / 1e6
        print(
            f"    {what:<22} {first:8.1f} -> {last:.1f} MB, {memory.per_minute / 1e6:+.2f} MB a minute,"
            f" {memory.growth:+.1%} after the first minute{aimed}"
        )
