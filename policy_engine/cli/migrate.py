"""`policy migrate`: the migration playbook of each workload in a file, with what is done and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, ledger_options, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.migrating.playbook import Playbook

FAIL_ON = ("missing", "mandatory")


@click.command("migrate", cls=HelpAlone, epilog="Example: policy migrate workload.yaml --fail-on mandatory -o markdown")
@click.argument("file", metavar="FILE")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    help="Exit with 1 where an item is missing, overdue or unknown: any, or one that a decision waits for.",
)
@at_option("As of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    file: str,
    fail_on: str | None,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Say what of the migration playbook is done for each workload in FILE, and what is missing; - is standard input.

    Five steps: audit and strategy, test bed, parallel tests, deployment, monitor and scale. Of each item: what shows
    it, which rule asks for it, and what to do next. It decides nothing and records nothing; the ledger is read alone.
    """
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.migrate_found import Asked, playbooks
    from policy_engine.cli.migrate_shown import writers
    from policy_engine.cli.options import choose_ledger, ledger_files, load
    from policy_engine.cli.output import parse_outputs, spare, write_reports
    from policy_engine.errors import InputError
    from policy_engine.migrating.case import Given

    targets = parse_outputs(outputs, FORMATS)
    choice = choose_ledger(ctx, ledger, ledger_key)
    spare(targets, [*([] if file == "-" else [Path(file)]), *ledger_files(choice)], layers)
    policy = load(layers, policy_digest)
    given = Given(tuple(map(str, layers)), _named(ledger))
    found: list[Playbook] = []
    refused = False
    with _read(ctx, ledger, ledger_key) as there:
        for each in playbooks(Asked(file, policy, at, there, given)):
            if isinstance(each, InputError):
                refused = True
                show_error(each)
            else:
                found.append(each)
    if found:
        write_reports(targets, writers(found, refused))
    met = fail_on is not None and any(each.is_open(fail_on == "mandatory") for each in found)
    return first_of([OK, *([USAGE] if refused else []), *([CONDITION] if met else [])])


def _named(url: str | None) -> str | None:
    """Return how a command names the ledger: a server's password is left out."""
    from policy_audit.database import locate

    return url if url is None or url.startswith("sqlite:") else str(locate(url))


@contextmanager
def _read(ctx: click.Context, url: str | None, key: Path | None) -> Iterator[Ledger | None]:
    """Give the ledger for reading, and None where nobody named one and the user has none yet.

    Raises:
        RecordingError: one that is named, or pinned, is not there, or cannot be read.
    """
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.options import choose_ledger, ledger_files

    choice = choose_ledger(ctx, url, key)
    if url is None and choice.pinned is None and not any(path.exists() for path in ledger_files(choice)):
        yield None
        return
    with reading(ctx, url, key) as ledger:
        yield ledger
