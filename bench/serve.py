"""`make bench-serve`: the served engine and Cerbos under the same load, with the same 40 conditions."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import serve_cerbos, serve_engine, serve_memory, serve_parts, serve_streams
from bench.serve_cerbos import Cerbos
from bench.serve_engine import Engine
from bench.serve_figures import Figures, Side
from bench.serve_load import LoadError, generator
from bench.serve_rules import Chosen, choose, write_layer
from bench.serve_streams import Texts
from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy

CALLS = {"evaluation": serve_engine.EVALUATION, "decisions": serve_engine.DECISIONS}
WORDS = {"evaluation": "ours: AuthZEN's evaluation", "decisions": "ours: the whole decision"}


@dataclass(frozen=True)
class Setting:
    """What runs, and what it is asked."""

    decider: Decider
    chosen: Chosen
    streams: tuple[Texts, Texts]
    cerbos: Cerbos
    engines: tuple[Engine, ...]
    folder: Path


def main() -> int:
    """Print the figures; exit with 1 where answers differ, requests fail, or something is not on record."""
    arguments = _arguments()
    try:
        generator()
        with _setting(arguments) as setting:
            return 0 if _all_figures(setting, arguments) else 1
    except (LoadError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m bench.serve", description="The served engine and Cerbos under load.")
    shown = " (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each server is asked at a time" + shown)
    parser.add_argument("--rounds", type=int, default=3, help="how often, by turns" + shown)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], help="how many" + shown)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of the engine" + shown)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"], help="none: Cerbos alone" + shown)
    calls = "whether AuthZEN's evaluation is asked for, or the whole decision" + shown
    parser.add_argument("--call", choices=CALLS, default="evaluation", help=calls)
    parser.add_argument(
        "--soak", type=float, default=0.0, help="seconds at 16 connections, for memory, on the last database" + shown
    )
    parser.add_argument("--seed", type=int, default=1, help="draws rules and workloads" + shown)
    return parser.parse_args()


@contextmanager
def _setting(arguments: Namespace) -> Iterator[Setting]:
    """Start every server; all of them are stopped at the end, and their files are gone."""
    with TemporaryDirectory(prefix="bench-serve-") as name, ExitStack() as stack:
        folder, shipped = Path(name), load_policy()
        chosen = choose(shipped, arguments.seed)
        layer = folder / "layer"
        write_layer(layer, shipped, chosen.ids)
        decider = Decider(load_policy([layer]))
        streams = serve_streams.texts(decider, chosen, arguments.seed)
        cerbos = stack.enter_context(serve_cerbos.serving(folder / "cerbos", chosen.conditions))
        engines = [
            stack.enter_context(serve_engine.serving(folder / each, layer, chosen.ids, each, arguments.workers))
            for each in arguments.databases
        ]
        yield Setting(decider, chosen, streams, cerbos, tuple(engines), folder)


def _all_figures(setting: Setting, arguments: Namespace) -> bool:
    """Print everything; tell whether answers agree, all requests were answered, and all of that is on record."""
    cerbos, engines = setting.cerbos, setting.engines
    print(f"{len(setting.chosen.ids)} conditions, {os.cpu_count()} CPU cores, Cerbos {cerbos.version}\n", flush=True)
    sides = [*(Side(each.name, each.processes) for each in engines), Side("Cerbos", (cerbos.process,))]
    print("A decision in parts, in one thread, median of the workloads")
    serve_parts.report(setting.decider.policy, arguments.seed)
    print("\nAnswers")
    agreed = _compare(setting, sides)
    first = 1000
    for texts in setting.streams:
        print(f"\n{texts.name.capitalize()} ({WORDS[arguments.call]}): medians of {arguments.rounds} rounds, in turns")
        streams = serve_streams.streams(setting.engines, cerbos, texts, setting.folder, CALLS[arguments.call])
        for connections in arguments.connections:
            figures = Figures(sides, streams, connections)
            first = figures.measure(arguments.rounds, arguments.seconds, first)
            figures.report()
    if arguments.soak and engines:
        print(f"\nMemory, {serve_memory.CONNECTIONS} connections, {setting.streams[1].name}")
        last = len(engines) - 1
        load, own, every = serve_memory.soak(engines[last], streams[last], arguments.soak, first)
        sides[last].answered += load.answered
        sides[last].failed += load.failed
        serve_memory.report(engines[last].name, load, own, every)
    return _recorded(setting, sides) and agreed


def _compare(setting: Setting, sides: Sequence[Side]) -> bool:
    """Ask every server about every workload of both streams; tell whether all find the same conditions."""
    wrong = 0
    for texts in setting.streams:
        wrong += serve_streams.differing(setting.decider, setting.chosen, texts, setting.cerbos, setting.engines)
        for side in sides:
            side.answered += len(texts.workloads)
    count = sum(len(texts.workloads) for texts in setting.streams)
    print(
        f"  CONDITIONS DIFFER for {wrong} of {count}"
        if wrong
        else f"  the same conditions hold in all for {count} workloads"
    )
    return not wrong


def _recorded(setting: Setting, sides: Sequence[Side]) -> bool:
    """Hold what is on record to what was answered, and verify it; Cerbos's log is told beside, and fails nothing."""
    good = True
    print("\nOn record", flush=True)
    for engine, side in zip(setting.engines, sides, strict=False):
        found, wrong = engine.recorded(), engine.verified()
        right = found == side.answered and not side.failed and not wrong
        good = good and right
        told = f"{found:9,} decisions in the ledger, synced, {'NOT VERIFIED' if wrong else 'verified'}"
        print(f"{_answers(side)}, {told}; {side.failed:,} requests failed{'' if right else '   WRONG'}")
        if wrong:
            print(wrong, file=sys.stderr)
    peer = sides[-1]
    told = f"{setting.cerbos.logged():9,} lines in its decision log, not synced"
    print(f"{_answers(peer)}, {told}; {peer.failed:,} requests failed")
    return good and not peer.failed


def _answers(side: Side) -> str:
    return f"  {side.name:<17} {side.answered:9,} answers with 200"


if __name__ == "__main__":
    sys.exit(main())
