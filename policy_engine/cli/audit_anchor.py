"""`policy audit anchor`: put the ledger's checkpoint where its administrator cannot take it back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.anchor_options import anchor_errors, config_option, configuration
from policy_engine.cli.ledger_writing import writing
from policy_engine.cli.options import ledger_options
from policy_engine.cli.printable import printable
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.anchors.configuration import Configuration
    from policy_audit.anchors.rounds import Outcome
    from policy_audit.errors import LedgerError


@click.command(
    "anchor",
    epilog="Example: policy audit anchor --to file:/mnt/worm --to 'witness:https://witness.example#VKEY' --watch",
)
@click.option(
    "--to",
    metavar="PLACE",
    multiple=True,
    help="file:PATH, git:URL#BRANCH, tsa:URL#ROOTS.pem or witness:URL#VKEY; repeatable, instead of those of --config.",
)
@click.option("--once/--watch", default=True, help="Anchor once, or until stopped, whenever the ledger grew.")
@click.option(
    "--every", metavar="TIME", help="With --watch: at most so far apart while entries arrive.  [default: 30s]"
)
@click.option("--beat", metavar="TIME", help="With --watch: leave a heartbeat so often.  [default: none]")
@click.option("--need", type=click.IntRange(1), metavar="N", help="How many places must hold it.  [default: all]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@config_option
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    to: Sequence[str],
    once: bool,
    every: str | None,
    beat: str | None,
    need: int | None,
    outputs: Sequence[str],
    config: Path | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Put the ledger's checkpoint to each place, and record where it went.

    A place that fails keeps no other from being tried. The exit status is 0 where all of them, or --need of them, hold
    the checkpoint, and 6 where not, or where one holds what contradicts the ledger: it was rolled back, or there are
    two histories. --watch records when watching begins and ends, anchors a last time when it is stopped (SIGTERM,
    SIGINT), and its status is that of the last time.
    """
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if once and (every or beat):
        raise UsageError(Problem("usage", "`--every` and `--beat` go with `--watch`"))
    if not once and outputs:
        raise UsageError(Problem("usage", "`--output` goes with `--once`: `--watch` says a line for each place"))
    chosen = _chosen(configuration(config, to), every, beat, need)
    with writing(ctx, ledger, ledger_key) as open_ledger, anchor_errors():
        from policy_audit.anchors.rounds import Rounds, make_anchor

        rounds = Rounds(open_ledger, [make_anchor(place) for place in chosen.places])
        if once:
            outcomes = rounds.once()
            shown = anchoring(outcomes, chosen)
            write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))
        else:
            outcomes = _watch(rounds, chosen)
    return OK if enough(outcomes, chosen) else LEDGER


def _chosen(found: Configuration, every: str | None, beat: str | None, need: int | None) -> Configuration:
    from dataclasses import replace

    from policy_audit.anchors.configuration import parse_duration

    with anchor_errors():
        if every is not None:
            found = replace(found, every=parse_duration(every))
        if beat is not None:
            found = replace(found, beat=parse_duration(beat))
    if need is not None:
        if need > len(found.places):
            message = f"{need} of {len(found.places)} places cannot hold it"
            raise UsageError(Problem("usage", message, help="name more places with --to"))
        found = replace(found, need=need)
    return found


def _watch(rounds: Any, chosen: Configuration) -> list[Outcome]:
    from policy_audit.anchors.watching import Watch

    said: dict[str, tuple[object, ...]] = {}

    def report(outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            news = (outcome.result, outcome.size, outcome.code)
            if said.get(outcome.place.where) != news:
                said[outcome.place.where] = news
                click.echo(printable(_line(outcome)))

    def trouble(error: LedgerError) -> None:
        click.echo(printable(f"error: {error.message} [{error.code}]"), err=True)

    watch = Watch(rounds, chosen.every, report, trouble, chosen.beat)
    with _stopped() as stop:
        return watch.run(stop)


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def enough(outcomes: Sequence[Outcome], chosen: Configuration) -> bool:
    need = len(outcomes) if chosen.need is None else chosen.need
    return sum(each.result == "held" for each in outcomes) >= need and not any(e.result == "alarm" for e in outcomes)


def _line(outcome: Outcome) -> str:
    if outcome.result == "held":
        return f"held: {outcome.place.where}: {outcome.size:,} entries"
    return f"{outcome.result}: {outcome.place.where}: {outcome.message} [{outcome.code}]"


def anchoring(outcomes: Sequence[Outcome], chosen: Configuration) -> dict[str, Any]:
    return {
        "kind": "Anchoring",
        "ok": enough(outcomes, chosen),
        "size": outcomes[0].size,
        "root": outcomes[0].root,
        "need": len(outcomes) if chosen.need is None else chosen.need,
        "places": [
            {
                "place": each.place.where,
                "result": each.result,
                "receipt": dict(each.receipt.details) if each.receipt else None,
                "code": each.code,
                "message": each.message,
                "help": each.help,
            }
            for each in outcomes
        ],
    }


def _sections(shown: dict[str, Any]) -> list[Section]:
    rows = [(each["place"], each["result"], each["message"] or "") for each in shown["places"]]
    held = sum(each["result"] == "held" for each in shown["places"])
    verdict = f"{held} of {len(rows)} places hold the checkpoint of {shown['size']:,} entries, {shown['need']} must"
    hints = list(dict.fromkeys(each["help"] for each in shown["places"] if each["help"]))
    sections = [
        Section(header=("=Place", "Result", "~What"), rows=rows),
        Section(pairs=[("ANCHORED" if shown["ok"] else "FAILED", verdict)]),
    ]
    return [*sections, Section(lines=hints)] if hints else sections
