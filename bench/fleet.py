"""A fleet by columns: whole decisions a second from Parquet to Parquet, the memory they take, and conditions alone.

Each sweep is a process of its own, so that its memory can be read: `python -m bench.fleet ROWS FOUND` is such a one.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import orjson
import polars as pl

from bench import translate_cedar
from bench.conditions import Workbench
from bench.decisions import AT
from bench.engines import Engine, regorus_compiled, regorus_interpreter, zen_table
from bench.fleet_rows import fleet
from bench.timing import interleaved
from policy_engine.fleet.building import words
from policy_engine.fleet.engine import FleetEngine
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.lowering.to_polars import TYPES, Lowering

#: Rows of the smaller sweep; the larger has ten times as many.
ROWS = 1_000_000
TIMES = 10
#: Rows of the conditions' fleet: the records of the bench over and over.
COPIES = 4_000
ROUNDS = 5
GROUP = 65_536
AIM_A_SECOND = 300_000
AIM_TIMES = 50


@dataclass(frozen=True)
class Sweep:
    """What one sweep took: seconds, seconds of processor time, and bytes at most."""

    rows: int
    seconds: float
    computed: float
    memory: float


def report(policy: Policy, bench: Workbench) -> bool:
    """Print the figures; tell whether the fleet gives the fired sets that the peers give."""
    with TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        fleet(policy, ROWS).write_parquet(small, row_group_size=GROUP)
        pl.concat([pl.scan_parquet(small)] * TIMES).sink_parquet(large, row_group_size=GROUP)
        sweeps = [_swept(path, Path(folder)) for path in (small, large)]
    for sweep in sweeps:
        rate, memory = sweep.rows / sweep.seconds, sweep.memory / 2**20
        computed = sweep.computed / sweep.rows * 1e6
        print(
            f"  {sweep.rows:>9,} decisions {rate:9,.0f} a second, {computed:.1f} us of a core each, {memory:,.0f} MiB"
        )
    times = sweeps[1].memory / sweeps[0].memory
    print(f"  at least {AIM_A_SECOND:,} a second are aimed at, on two cores")
    print(f"  {TIMES} times the rows take {times:.2f} times the memory, at most twice is aimed at")
    return _conditions(bench)


def _swept(path: Path, folder: Path) -> Sweep:
    command = [sys.executable, "-m", "bench.fleet", str(path), str(folder / "found.parquet")]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Sweep(**json.loads(found.stdout))


def sweep(path: str, found: str) -> Sweep:
    """Decide the canonical frame at `path` into the Parquet file `found`, once to warm up, then timed."""
    engine = FleetEngine(load_policy(), AT)
    rows = pl.scan_parquet(path)
    count: int = rows.select(pl.len()).collect().item()
    engine.findings(rows.head(GROUP)).sink_parquet(found, compression="lz4")
    started, computed = perf_counter(), process_time()
    engine.findings(rows).sink_parquet(found, compression="lz4")
    seconds = perf_counter() - started
    return Sweep(count, seconds, process_time() - computed, _most_memory())


def _most_memory() -> int:
    """Return the bytes that this process held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` says there begins with what the parent process held
        line = next(each for each in status.read_text(encoding="ascii").splitlines() if each.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _conditions(bench: Workbench) -> bool:
    """Compare the conditions alone, over many records, with the best that each peer has for many."""
    frame = _frame(bench)
    ours = _by_columns(bench, frame)
    peers: list[tuple[str, Callable[[], list[set[int]]]]] = [("cedarpy, in batches", _cedar_batch(bench))]
    peers += [(engine.name, _one_by_one(engine)) for engine in _engines(bench)]
    wanted = [set(found) for found in _sets(ours(), bench)]
    agreed = True
    for name, ask in peers:
        if ask() != wanted:
            print(f"  {name} does not give the same fired sets as the fleet", file=sys.stderr)
            agreed = False
    rounds = interleaved([ours, *(ask for _, ask in peers)], ROUNDS)
    each = [median(runs) / count for runs, count in zip(rounds, _counts(frame, bench, len(peers)), strict=True)]
    print(f"  conditions alone, in a fleet of {frame.height:,}  {each[0] * 1e6:10.3f} us a record")
    for (name, _), seconds in zip(peers, each[1:], strict=True):
        print(f"    {name:<36} {seconds * 1e6:10.3f} us    {seconds / each[0]:8.1f} times ours")
    print(f"  {AIM_TIMES} times the best of them is aimed at, and it is {min(each[1:]) / each[0]:.0f} times")
    return agreed


def _counts(frame: pl.DataFrame, bench: Workbench, peers: int) -> list[int]:
    return [frame.height, *[len(bench.records)] * peers]


def _frame(bench: Workbench) -> pl.DataFrame:
    columns = [pl.Series(n, [r[n] for r in bench.records], dtype=TYPES[f.type]) for n, f in bench.facts.items()]
    return pl.concat([pl.DataFrame(columns)] * COPIES, rechunk=True)


def _by_columns(bench: Workbench, frame: pl.DataFrame) -> Callable[[], pl.DataFrame]:
    lowering = Lowering()
    truths = [lowering.truth(node) for node in bench.conditions]
    named = frame.lazy().select(truth.alias(f"c{place}") for place, truth in enumerate(truths))
    fired: list[Any] = [pl.col(f"c{place}").fill_null(False) for place in range(len(truths))]
    unknown: list[Any] = [pl.col(f"c{place}").is_null() for place in range(len(truths))]
    masks = {f"fired_{place}": word for place, word in enumerate(words(fired))}
    masks |= {f"unknown_{place}": word for place, word in enumerate(words(unknown))}
    plan = named.select(**masks)
    return lambda: plan.collect(engine="streaming")


def _sets(found: pl.DataFrame, bench: Workbench) -> list[set[int]]:
    """Return the fired sets of the first copy of the records; every other copy has the same."""
    names = [name for name in found.columns if name.startswith("fired_")]
    rows = found.head(len(bench.records)).select(names).rows()
    return [{place for place in range(len(bench.conditions)) if row[place // 64] >> (place % 64) & 1} for row in rows]


def _cedar_batch(bench: Workbench) -> Callable[[], list[set[int]]]:
    import cedarpy

    policies = cedarpy.PolicySet.from_str(translate_cedar.policies(bench.conditions))
    entities = cedarpy.Entities.from_json_str("[]")
    request = {"principal": 'U::"u"', "action": 'A::"a"', "resource": 'R::"r"'}
    contexts = [translate_cedar.context(record, bench.facts) for record in bench.records]

    def ask() -> list[set[int]]:
        asked = [{**request, "context": orjson.dumps(context).decode()} for context in contexts]
        answers = cedarpy.is_authorized_batch(asked, policies, entities)
        return [{int(name.removeprefix("policy")) for name in each.diagnostics.reasons} for each in answers]

    return ask


def _one_by_one(engine: Engine) -> Callable[[], list[set[int]]]:
    return lambda: [engine.ask(record) for record in engine.records]


def _engines(bench: Workbench) -> list[Engine]:
    return [regorus_interpreter(bench), regorus_compiled(bench), zen_table(bench)]


if __name__ == "__main__":
    done = sweep(*sys.argv[1:3])
    print(json.dumps({"rows": done.rows, "seconds": done.seconds, "computed": done.computed, "memory": done.memory}))
