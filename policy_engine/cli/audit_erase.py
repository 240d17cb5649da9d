"""`policy audit erase`: destroy what the ledger holds of a person, and record that, and not whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_writing import given_subject, officer, reason_options, writing
from policy_engine.cli.options import ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.erasing import Erasure

LEFT = (
    "deleted rows are not overwritten yet, and hold sealed values and keys: in a SQLite file they are once the last "
    "program that has it open closes it, on PostgreSQL by VACUUM and as the server recycles its log"
)


@click.command(
    "erase", epilog='Example: policy audit erase olga@acme.example --reason "request of 3 May" --ticket GDPR-7'
)
@click.argument("subject", metavar="[SUBJECT|-]", required=False)
@reason_options
@click.option("--unreadable", is_flag=True, help="Instead of a person's values, those that nobody can read any more.")
@click.option("--dry-run", is_flag=True, help="Show what would be erased; erase and record nothing.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    subject: str | None,
    reason: str,
    ticket: str | None,
    unreadable: bool,
    dry_run: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Erase a person: every personal value that is SUBJECT, its salt, and the key that the values are sealed under.

    SUBJECT is a whole value as it was recorded, such as an address, in any case and Unicode form; `-` reads it from
    standard input. The entries stay, and the ledger verifies. A legal hold on one of the entries refuses all of it:
    that is recorded, and exit status 6. --unreadable is for a personal key that is lost for good.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    if (subject is None) is not unreadable:
        message = "one of SUBJECT and `--unreadable` is needed, and not both"
        raise UsageError(Problem("usage", message))
    targets = parse_outputs(outputs, FORMATS)
    person = given_subject(subject) if subject is not None else None
    who = officer(recorded=not dry_run)
    words: dict[str, Any] = {"reason": reason, "ticket": ticket, "by": who, "dry_run": dry_run}
    with writing(ctx, ledger, ledger_key) as open_ledger:
        if person is not None:
            done = open_ledger.erase(person, **words)
        else:
            from policy_audit.erasing import erase_unreadable

            done = erase_unreadable(open_ledger, **words)
    shown = _shown(done, dry_run)
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))


def _shown(done: Erasure, dry_run: bool) -> dict[str, Any]:
    return {
        "kind": "Erasure",
        "dry_run": dry_run,
        "values": [{"index": index, "name": name} for index, name in done.values],
        "entries": list(done.entries),
        "refused_by": list(done.holds),
        "overwritten": done.overwritten,
    }


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    names: dict[int, list[str]] = {}
    for value in shown["values"]:
        names.setdefault(value["index"], []).append(value["name"])
    rows = [(str(index), ", ".join(found)) for index, found in names.items()]
    count, holds = len(shown["values"]), shown["refused_by"]
    values = f"{count:,} value{'' if count == 1 else 's'} of {len(rows):,} entr{'y' if len(rows) == 1 else 'ies'}"
    if holds:
        summary = ("REFUSED", f"legal holds cover them: {', '.join(holds)}")
    elif shown["dry_run"]:
        summary = ("WOULD ERASE", f"{values}; nothing was erased or recorded")
    else:
        which = ", ".join(map(str, shown["entries"]))
        summary = ("ERASED", f"{values}; on record as entr{'y' if len(shown['entries']) == 1 else 'ies'} {which}")
    sections = [Section(header=(">Entry", "~Values"), rows=rows), Section(pairs=[summary])]
    return sections if shown["overwritten"] else [*sections, Section(lines=[LEFT])]
