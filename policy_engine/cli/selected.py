"""What of a folder, a pattern or a revision was judged, and what was not and why, in words."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from policy_engine.ci.selected import details, shared_names, summary
from policy_engine.cli.printable import printable

if TYPE_CHECKING:
    from policy_engine.ci.judged import Judged
    from policy_engine.cli.run_options import Run

#: Formats that tell it themselves; where none of them goes anywhere, it is told on standard error.
_TELLING = ("text", "markdown")


def lines(run: Run, judged: Judged) -> list[str]:
    """Return what a report says of the selection, and of names that several have; with -q, only that none is due.

    Where files were named nobody has to be told which were judged.
    """
    selection = run.selection
    if run.quiet and judged.decisions:
        return []
    told = [summary(selection, len(judged.decisions))] if selection.listed else []
    if not run.quiet:
        told += [*(details(selection, run.verbose) if selection.listed else ()), *shared_names(judged)]
    # a name with a line break would begin a line of its own, which a CI system may take for a command
    return [printable(line.replace("\n", "\\n").replace("\r", "\\r")) for line in told]


def tell(run: Run, judged: Judged) -> None:
    """Say it on standard error where no report does."""
    if any(target.format in _TELLING for target in run.targets):
        return
    for line in lines(run, judged):
        with suppress(OSError):
            click.echo(line, err=True)
