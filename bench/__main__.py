"""`make bench`: print the figures that the project is held to, as ratios of one run."""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from statistics import median

from bench import claims, cold, decisions, fleet, gates, ledger, proofs, queries, replays
from bench.conditions import Workbench, workbench
from bench.engines import FLOORS, PEERS, Engine, ours
from bench.timing import interleaved, paired_ratio
from policy_engine.loading.policy import load_policy

ROUNDS = 40


def main() -> int:
    """Print all figures; exit with 1 where a peer answers other than we do."""
    parser = ArgumentParser(prog="python -m bench", description="Print the figures that the project is held to.")
    add = "what every commit takes longer, in ms, where threads are compared (default: %(default)s)"
    parser.add_argument("--sync-ms", type=float, default=2.0, help=add)
    size = "how many decisions the officer's questions are asked of (default: %(default)s)"
    parser.add_argument("--entries", type=int, default=queries.ENTRIES, help=size)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    policy = load_policy()
    bench = workbench(policy)
    print(f"Engine alone: {len(bench.conditions)} conditions, {len(bench.records)} records, every fact known")
    agreed = compare(bench)
    print("\nA whole decision, unrecorded")
    decisions.report(policy)
    print("\nA fleet by columns, from Parquet to Parquet")
    agreed = fleet.report(policy, bench) and agreed
    print("\nHardware claims, by arithmetic alone")
    claims.report(policy)
    print("\nAppending to a ledger (SQLite)")
    ledger.report(policy, arguments.sync_ms)
    print("\nReplays from a ledger in memory, beside the decisions themselves")
    replays.report(policy)
    print(f"\nThe officer's questions (SQLite), {queries.AIM_MS} ms is aimed at")
    queries.report(arguments.entries)
    print("\nProofs, of all workloads at once")
    proofs.report(policy)
    print("\nThe gate on many files")
    gates.report()
    print(f"\nCold starts: medians of {cold.RUNS} paired runs")
    cold.report()
    return 0 if agreed else 1


def compare(bench: Workbench) -> bool:
    """Print the time of each engine and its ratio to ours; tell whether all gave the same fired sets."""
    engines = [ours(bench), *(peer(bench) for peer in PEERS), *(floor(bench) for floor in FLOORS)]
    wanted = [engines[0].ask(record) for record in engines[0].records]
    differing = [engine.name for engine in engines if [engine.ask(r) for r in engine.records] != wanted]
    for name in differing:
        print(f"  {name} does not give the same fired sets as we do", file=sys.stderr)
    times = interleaved([_sweep(engine) for engine in engines], ROUNDS)
    for position, (engine, runs) in enumerate(zip(engines, times, strict=True)):
        if position == 1 + len(PEERS):
            print("  for comparison, conditions alone: two values, no rules")
        microseconds = median(runs) / len(engine.records) * 1e6
        print(f"  {engine.name:<30} {microseconds:8.1f} us    {paired_ratio(runs, times[0]):6.2f} times ours")
    fired = sum(map(len, wanted)) / len(wanted)
    print(f"  the same fired sets in all of them, {fired:.1f} on average" if not differing else "  FIRED SETS DIFFER")
    return not differing


def _sweep(engine: Engine) -> Callable[[], object]:
    def sweep() -> object:
        return [engine.ask(record) for record in engine.records]

    return sweep


if __name__ == "__main__":
    sys.exit(main())
