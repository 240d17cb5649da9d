"""`policy diff`: what a change of rules changes, for every workload that there could be, and for those on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import Folder, Time, choose_ledger, ledger_files, ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, UsageError
from policy_engine.impact.kinds import FAIL_ON

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.impact.recorded import Redecided
    from policy_engine.impact.sides import Side


@click.command("diff", epilog="Example: policy diff git:main:acme acme --fail-on deny-to-allow")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--below",
    metavar="DIR",
    multiple=True,
    type=Folder(path_type=Path),
    help="A layer that lies under OLD and under NEW, over the shipped rules; repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="Every decision on record, not the latest on each workload.")
@click.option(
    "--at", metavar="TIME", type=Time(), help="The time to decide at.  [default: now; recorded ones: as then]"
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1, max=3600),
    default=10.0,
    show_default=True,
    help="For each kind of change, how long it may take to prove or refute.",
)
@click.option("--no-proof", is_flag=True, help="Leave out whether any verdict can change.")
@click.option("--no-record", is_flag=True, help="Leave out the decisions on record.")
@click.option(
    "--fail-on",
    metavar="KIND",
    type=click.Choice(FAIL_ON),
    multiple=True,
    help=f"Exit 1 where a verdict can change so, or did on record: {', '.join(FAIL_ON)}; repeatable.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    old: str,
    new: str,
    below: Sequence[Path],
    everything: bool,
    at: datetime | None,
    timeout: float,
    no_proof: bool,
    no_record: bool,
    fail_on: Sequence[str],
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Compare two policies: as they are written, for every workload there could be, and for the decisions on record.

    OLD and NEW are each a folder (a layer over the shipped rules, or all rules with the vocabulary), `shipped`, a
    revision of git (git:REV, the same folder as the other side; git:REV:PATH, PATH from the repository's top), or the
    digest of a policy that a decision on record was made under (sha256:...).

    It says which rules, parameters, facts, catalog entries and enforcement differ; by Z3 (extra `prove`), for each
    kind of change, a workload whose verdict changes so, or that there is none; and which decisions on record come out
    otherwise under NEW than under OLD, in the ledger that is named, or the default one where there is one.

    What is proved is proved of each task's verdict, at --at and from each later day on that a rule is enforced from,
    whatever waivers are in force of rules that may be waived. Who may grant a waiver is not compared.

    With --fail-on it exits with 1 where such a change of a task, or of a workload of several, is possible, or not
    known to be impossible, or happens on record. It exits with 2 where nothing was asked that could tell, or a
    decision on record cannot be decided under one of the two, and with 6 where one cannot be replayed.
    """
    from policy_engine.cli.diff_shown import Recorded, diff_sections, diff_value, statuses
    from policy_engine.cli.main import first_of
    from policy_engine.cli.options import now
    from policy_engine.cli.output import parse_outputs, spare, write_reports
    from policy_engine.impact.sides import read_sides
    from policy_engine.impact.structure import differing
    from policy_engine.impact.verdicts import Verdicts, require_prover, verdicts

    for side, word in (("OLD", old), ("NEW", new)):
        if not word:
            hint = "name a folder, `shipped`, git:REV:PATH or sha256:..."
            raise UsageError(Problem("no-policy", f"`{side}` is empty", help=hint))
    targets = parse_outputs(outputs, FORMATS)
    choice = choose_ledger(ctx, ledger, ledger_key)
    spare(targets, ledger_files(choice), [*below, *(Path(word) for word in (old, new) if Path(word).is_dir())])
    if fail_on and not no_proof:
        require_prover()
    skipped = _skipped(no_record, ledger, ledger_files(choice))
    with _ledgers(ctx, ledger, ledger_key) as opened:
        sides = read_sides((old, new), below, opened)
        found = list(_redecided(sides, opened, at, everything=everything)) if skipped is None else []
    moment = at or now()
    proved = Verdicts([], "it is left out by --no-proof")
    if not no_proof:
        proved = verdicts(sides[0].policy, sides[1].policy, moment, timeout)
    written = differing(sides[0].policy, sides[1].policy)
    shown = diff_value(sides, written, proved, Recorded(found, skipped), moment, fail_on)
    write_reports(targets, report_writers(lambda: shown, lambda: diff_sections(shown)))
    return first_of(statuses(shown, found))


def _skipped(no_record: bool, named: str | None, files: Sequence[Path]) -> str | None:
    """Return why no decision on record is decided again; None where they are."""
    if no_record:
        return "it is left out by --no-record"
    there = any(file.suffix == ".db" and file.is_file() for file in files)
    return None if named is not None or there else "no ledger is named, and none is there"


@contextmanager
def _ledgers(
    ctx: click.Context, url: str | None, key: Path | None
) -> Iterator[Callable[[], AbstractContextManager[Ledger]]]:
    """Give a call that opens the ledger for reading: once, and only where it is needed."""
    with ExitStack() as stack:
        known: list[Ledger] = []

        def opened() -> AbstractContextManager[Ledger]:
            if not known:
                known.append(stack.enter_context(reading(ctx, url, key)))
            return nullcontext(known[0])

        yield opened


def _redecided(
    sides: tuple[Side, Side],
    opened: Callable[[], AbstractContextManager[Ledger]],
    at: datetime | None,
    *,
    everything: bool,
) -> Iterator[Redecided]:
    from policy_engine.decide import Decider
    from policy_engine.impact.recorded import latest, redecided
    from policy_engine.replays import decisions_on_record

    with opened() as ledger, progress("deciding") as tell:
        entries: Any = decisions_on_record(ledger) if everything else latest(ledger)
        one, other = (Decider(side.policy) for side in sides)
        for done, each in enumerate(redecided(ledger, entries, one, other, at), start=1):
            if tell is not None and not everything:
                tell(done, len(entries))
            yield each
