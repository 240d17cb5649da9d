"""`policy audit replay`: decide recorded decisions again, bit for bit, or under other rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.entries import find_entry
from policy_engine.asking.moments import check_period
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.moments import Since, Until
from policy_engine.cli.options import Folder, Time, choose_ledger, ledger_files, ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from policy_audit.ledger import Ledger, StoredEntry

FAIL_ON = ("changed", "deny-to-allow")


@dataclass(frozen=True)
class Asked:
    """Which decisions: those named, or all that the filters select."""

    targets: tuple[str, ...]
    everything: bool
    since: datetime | None
    until: datetime | None
    workload: str | None
    namespace: str | None

    def check(self) -> None:
        """Refuse what selects nothing, or twice.

        Raises:
            UsageError: neither a decision nor `--all` is given, or both, or filters of nothing.
        """
        given = {"--since": self.since, "--until": self.until, "--workload": self.workload}
        filters = [name for name, value in {**given, "--namespace": self.namespace}.items() if value is not None]
        if self.targets and (self.everything or filters):
            message = f"decisions are named, and `{'--all' if self.everything else filters[0]}` selects others"
            raise UsageError(Problem("usage", message, help="leave one of the two out"))
        if not self.targets and not self.everything:
            raise UsageError(Problem("usage", "no decision is named", help="name one by index or id, or give --all"))
        check_period(self.since, self.until)

    def entries(self, ledger: Ledger, tell: Callable[[int, int], None] | None) -> Iterator[StoredEntry]:
        """Yield the entries of the decisions asked for.

        Raises:
            InputError: one is not there, is no decision, or the filters select none.
        """
        if self.targets:
            for done, target in enumerate(self.targets, start=1):
                yield _decision(ledger, target)
                if tell is not None:
                    tell(done, len(self.targets))
            return
        from policy_audit.checkpoint import parse_checkpoint

        from policy_engine.replays import decisions_on_record

        size, selected = parse_checkpoint(ledger.checkpoint()).size, False
        for entry in decisions_on_record(ledger, self.since, self.until):
            if tell is not None:
                tell(entry.index + 1, size)
            if self._selects(entry):
                selected = True
                yield entry
        if not selected:
            hint = "`policy audit list` shows what is on record"
            raise InputError(Problem("decision-missing", "no decision on record is selected", help=hint))

    def _selects(self, entry: StoredEntry) -> bool:
        view = entry.document["view"]
        space, slash, name = (self.workload or "").rpartition("/")
        wanted = {"workload": name or None, "namespace": self.namespace}
        if slash:
            wanted["namespace"] = space if self.namespace in (None, space) else ""
        return all(value is None or view.get(column) == value for column, value in wanted.items())


def _decision(ledger: Ledger, target: str) -> StoredEntry:
    entry = find_entry(ledger, target)
    if entry.document["type"] != "decision":
        message = f"the entry {entry.index} records no decision"
        raise InputError(Problem("not-a-decision", message, help="`policy audit list` shows the decisions on record"))
    return entry


@click.command("replay", epilog="Example: policy audit replay 569fa0a1 --policy team-rules --fail-on deny-to-allow")
@click.argument("targets", metavar="[INDEX|ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every decision on record, or all that the filters select.")
@click.option("--since", type=Since(), help="With --all: recorded at this time or date (UTC) or later.")
@click.option(
    "--until", type=Until(), help="With --all: recorded before this time, or on this date (UTC) at the latest."
)
@click.option("--workload", metavar="[NAMESPACE/]NAME", help="With --all: on this workload.")
@click.option("--namespace", metavar="NAME", help="With --all: in this namespace.")
@click.option(
    "--policy",
    "layers",
    metavar="DIR",
    multiple=True,
    type=Folder(path_type=Path),
    help="Decide under this layer over today's shipped rules, and show the difference; repeatable.",
)
@click.option("--current", is_flag=True, help="The same under today's shipped rules without any layer.")
@click.option("--at", metavar="TIME", type=Time(), help="With other rules: the time.  [default: as recorded]")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    multiple=True,
    help="With other rules: exit 1 where anything that decides changed, or where a deny became an allowance.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    layers: Sequence[Path],
    current: bool,
    at: datetime | None,
    fail_on: Sequence[str],
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    **asked: Any,
) -> int:
    """Decide recorded decisions again from what the ledger holds of them, and compare all bytes.

    Nothing else is read: not today's rules, no evidence, no workload file. The time, what was found in evidence files,
    and the engine's version are taken as recorded. The exit status is 0 where every decision comes out with the
    recorded bytes, and 6 where one differs or cannot be replayed.

    With --policy or --current the decisions are compared with what other rules say. That informs, and exits 0: but 6
    where one cannot be replayed, and 2 where the other rules cannot decide one.
    """
    from policy_engine.cli import replay_equal, replay_under
    from policy_engine.cli.output import parse_outputs, spare, write_reports

    chosen = Asked(**asked)
    chosen.check()
    under = bool(layers) or current
    _check_rules(under, current and bool(layers), at is not None, bool(fail_on))
    targets = parse_outputs(outputs, FORMATS)
    spare(targets, ledger_files(choose_ledger(ctx, ledger, ledger_key)), layers)
    listed = bool(chosen.targets)
    with reading(ctx, ledger, ledger_key) as open_ledger, progress("replaying") as tell:
        entries = chosen.entries(open_ledger, tell)
        if under:
            shown, status = replay_under.run(open_ledger, entries, layers, at, fail_on, listed=listed)
        else:
            shown, status = replay_equal.run(open_ledger, entries, listed=listed)
    sections = replay_under.sections if under else replay_equal.sections
    write_reports(targets, report_writers(lambda: shown, lambda: sections(shown)))
    return status


def _check_rules(under: bool, twice: bool, at: bool, fail_on: bool) -> None:
    if twice:
        message = "`--current` asks for the shipped rules alone, and `--policy` for a layer over them"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    if not under and (at or fail_on):
        message = f"`{'--at' if at else '--fail-on'}` is for other rules, and a replay is at the recorded time"
        raise UsageError(Problem("usage", message, help="name other rules with --policy DIR, or --current"))
