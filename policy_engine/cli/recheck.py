"""`policy recheck`: recorded workloads decided again where their decisions do not stand any more, for a nightly job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.decision_query import identity
from policy_engine.cli.ending import Ending, terminated_as_interrupted
from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.ledger_writing import writing
from policy_engine.cli.options import (
    PURPOSES,
    at_option,
    choose_ledger,
    ledger_files,
    ledger_options,
    load,
    now,
    policy_options,
)
from policy_engine.cli.printable import printable
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import BrokenOutputError, InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.cli.output import Target
    from policy_engine.cli.recheck_shown import Said
    from policy_engine.decide import Decider
    from policy_engine.rechecks.running import Asked, Recheck

FAIL_ON = ("deny", "review", "worse", "changed")
_LONGEST = 3660


@click.command(
    "recheck",
    cls=HelpAlone,
    epilog="Example: policy recheck --purpose deploy --fail-on worse -o text -o json=recheck.json",
)
@click.option("--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True, help="Only decisions made for this.")
@click.option("--namespace", metavar="NAME", help="Only workloads in this namespace.")
@click.option("--workload", metavar="[NAMESPACE/]NAME", help="Only this workload.")
@click.option(
    "--within",
    metavar="DAYS",
    type=click.IntRange(0, _LONGEST),
    help="Also what will expire within so many days.",
)
@click.option("--all", "everything", is_flag=True, help="Decide every workload again, whether or not it is due.")
@click.option("--list", "only_list", is_flag=True, help="Decide nothing: list what is due, and why.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    multiple=True,
    help="Exit 1 where a new verdict is this (or deny, for review), or worse than before, or anything changed.",
)
@at_option("The time of the new decisions, RFC 3339.  [default: now]")
@policy_options
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    purposes: Sequence[str],
    namespace: str | None,
    workload: str | None,
    within: int | None,
    everything: bool,
    only_list: bool,
    fail_on: Sequence[str],
    at: datetime | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Decide recorded workloads again whose decisions expired, or were made on something that is another now.

    Of each workload the latest decision on record is looked at. It is due where its `valid_until` is past, where the
    rules, parameters, catalog, layers or the engine's semantics are others than it was made under, where a waiver that
    it used counts no more or one counts that did not, and where its evidence does not count as it did. What is due is
    decided as it was recorded, at --at, under the policy in effect, and recorded before anything is shown. Files of
    evidence are not there to be read again and count as recorded; approvals and receipts are verified again.

    It exits with 0 whatever came out, and with 1 where --fail-on is met; with 2 where a workload cannot be decided
    (its document was disposed of, its owner erased, or the rules of today do not take it), and with 6 where the ledger
    is not there, refuses, or is not what it should be.
    """
    from policy_engine.cli.output import parse_outputs, spare
    from policy_engine.decide import Decider
    from policy_engine.rechecks.running import Asked
    from policy_engine.rechecks.standing import Wanted

    _check(everything=everything, only_list=only_list, fail_on=fail_on)
    targets = parse_outputs(outputs, FORMATS)
    spare(targets, ledger_files(choose_ledger(ctx, ledger, ledger_key)), layers)
    space, name = identity(workload, namespace)
    asked = Asked(Wanted(frozenset(purposes), space, name), at or now(), within, everything)
    decider = Decider(load(layers, policy_digest))
    call = _Call(ctx, ledger, ledger_key, asked, decider, tuple(fail_on), targets)
    return call.list_due() if only_list else call.recheck()


def _check(*, everything: bool, only_list: bool, fail_on: Sequence[str]) -> None:
    given = ["--all"] if everything else [f"--fail-on {each}" for each in fail_on]
    if only_list and given:
        message = f"`--list` decides nothing, and `{given[0]}` is about what is decided"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))


@dataclass(frozen=True)
class _Call:
    """One call of the command."""

    ctx: click.Context
    url: str | None
    key: Path | None
    asked: Asked
    decider: Decider
    fail_on: tuple[str, ...]
    targets: Sequence[Target]

    def list_due(self) -> int:
        """List what is due, and why; nothing is recorded."""
        from policy_engine.cli.recheck_shown import Said
        from policy_engine.rechecks.running import Recheck

        with reading(self.ctx, self.url, self.key) as ledger, progress("reading") as tell:
            run = Recheck(ledger, self.decider, self.asked, only_list=True)
            self._check_named(run)
            said = Said(self.asked, self.decider.policy, run, only_list=True)
            for outcome in run.due():
                said.add([outcome])
                _tell(tell, said, run)
        return self._report(said)

    def recheck(self) -> int:
        """Decide again what is due, record it, and say what came of it."""
        with terminated_as_interrupted() as ending:
            return self._report(self._rechecked(ending))

    def _rechecked(self, ending: Ending) -> Said:
        """Decide again what is due, and record it; where that ends early, what is on record is told all the same."""
        from policy_engine.cli.recheck_shown import Said
        from policy_engine.rechecks.running import Recheck
        from policy_engine.recorder import context_from_environment

        said: Said | None = None
        try:
            with writing(self.ctx, self.url, self.key) as ledger, progress("deciding") as tell:
                if ledger.vault.missing is not None:
                    raise ledger.vault.missing
                run = Recheck(ledger, self.decider, self.asked)
                self._check_named(run)
                said = Said(self.asked, self.decider.policy, run, self.fail_on)
                for outcomes in run.rechecked(context_from_environment("draft"), ending.held):
                    said.add(outcomes)
                    _tell(tell, said, run)
                said.complete = True
        except BaseException:
            # the next run will not find it due
            if said is not None and said.counts["rechecked"]:
                self._tell_the_rest(said)
            raise
        return said

    def _check_named(self, run: Recheck) -> None:
        """Refuse what selects nothing: a nightly job with a mistyped name or purpose would be green for good."""
        wanted = self.asked.wanted
        if len(run) or not wanted.is_narrow:
            return
        message, hint = "no decision on record is selected", "`policy audit list` shows what is on record"
        if others := sorted(run.others):
            of_these = "" if wanted.namespace is None and wanted.workload is None else " on these workloads"
            message = f"no decision on record{of_these} was made for {' or '.join(sorted(wanted.purposes))}"
            hint = f"those on record were made for {' and '.join(others)}: `--purpose {others[-1]}`, or leave it out"
        raise InputError(Problem("decision-missing", message, help=hint))

    def _tell_the_rest(self, said: Said) -> None:
        """Report a run that ended early; that this cannot be written is told, and hides nothing of why it ended."""
        from policy_engine.cli.main import show_error

        try:
            self._report(said)
        except UsageError as error:
            show_error(error)
        except BrokenOutputError:
            pass

    def _report(self, said: Said) -> int:
        """Write the reports; where one cannot be, standard error says what is on record: no later run finds it due."""
        from policy_engine.cli.output import write_reports
        from policy_engine.cli.recheck_sections import in_short, sections

        shown = said.value()
        try:
            write_reports(self.targets, report_writers(lambda: shown, lambda: sections(shown)))
        except BaseException:
            for line in in_short(shown):
                with suppress(OSError):
                    click.echo(printable(line), err=True)
            raise
        return said.status


def _tell(tell: Callable[[int, int], None] | None, said: Said, run: Any) -> None:
    if tell is not None:
        tell(sum(said.counts.values()), len(run))
