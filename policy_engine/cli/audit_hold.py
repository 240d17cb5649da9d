"""`policy audit hold`: place, release and list legal holds; what one covers is neither erased nor disposed of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.hold_nothing import why_nothing
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.ledger_writing import given_subject, officer, reason_options, writing
from policy_engine.cli.moments import Since, Until
from policy_engine.cli.options import ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.holding import Covered
    from policy_audit.holds import Hold, Scope


@click.group(
    "hold", epilog='Example: policy audit hold place --workload support/triage --reason "case 12" --id case-12'
)
def command() -> None:
    """Place, release and list legal holds: what one covers is neither erased nor disposed of."""


@command.command(
    "place", epilog='Example: policy audit hold place --namespace support --reason "case 12" --ticket LEGAL-12'
)
@click.option("--subject", metavar="SUBJECT|-", help="Entries that hold a value of this person.")
@click.option("--workload", metavar="NAMESPACE/NAME", help="Entries on this workload.")
@click.option("--namespace", metavar="NAME", help="Entries in this namespace.")
@click.option("--since", type=Since(), help="Entries recorded at this time or date (UTC) or later.")
@click.option("--until", type=Until(), help="Entries recorded before this time, or on this date (UTC) at the latest.")
@click.option("--first", metavar="INDEX", type=click.IntRange(0), help="Entries from this index on.")
@click.option("--last", metavar="INDEX", type=click.IntRange(0), help="Entries up to this index.")
@click.option("--all", "everything", is_flag=True, help="Every entry.")
@click.option("--id", "identifier", metavar="ID", help="What the hold is called.  [default: made up]")
@reason_options
@ledger_options
@click.pass_context
def place(
    ctx: click.Context,
    /,
    *,
    identifier: str | None,
    reason: str,
    ticket: str | None,
    ledger: str | None,
    ledger_key: Path | None,
    **scope: Any,
) -> None:
    """Place a hold on one scope; it has no expiry, and what is recorded later is covered too.

    The scopes: --subject, --workload, --namespace, a period, a range of indexes, --all. How many entries it covers now
    is said. One that covers none is in place all the same, with a warning: a name may be mistyped.
    """
    from policy_audit.holding import list_covered, place_hold

    chosen = _scope(**scope)
    person = given_subject(scope["subject"]) if scope["subject"] is not None else None
    with writing(ctx, ledger, ledger_key) as open_ledger:
        words: dict[str, Any] = {"reason": reason, "ticket": ticket, "by": officer()}
        hold = place_hold(open_ledger, chosen, identifier=identifier, subject=person, **words)
        found = next((found for each, found in list_covered(open_ledger) if each.index == hold.index), None)
        nothing = why_nothing(open_ledger, hold) if found is not None and not found.matters else None
    click.echo(f"hold {hold.id} is in place: {describe(hold)}; on record as entry {hold.index}")
    click.echo(f"now it covers {_covered_words(found)}")
    if nothing is not None:
        click.echo(f"warning: {nothing}", err=True)


@command.command("release", epilog='Example: policy audit hold release case-12 --reason "the case is closed"')
@click.argument("identifier", metavar="ID")
@reason_options
@ledger_options
@click.pass_context
def release(
    ctx: click.Context,
    /,
    *,
    identifier: str,
    reason: str,
    ticket: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Release a hold."""
    from policy_audit.holding import release_hold

    with writing(ctx, ledger, ledger_key) as open_ledger:
        hold = release_hold(open_ledger, identifier, reason=reason, ticket=ticket, by=officer())
    click.echo(f"hold {hold.id} is released; on record as entry {hold.released}")


@command.command("list", epilog="Example: policy audit hold list --released -o json")
@click.option("--released", is_flag=True, help="Those that were released, too.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def list_(
    ctx: click.Context,
    /,
    *,
    released: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """List the holds in place, from the entries themselves, which have to give the root that is signed.

    How many entries each covers now is counted in the same way.
    """
    from policy_audit.holding import list_covered

    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        found = [each for each in list_covered(open_ledger) if released or each[0].released is None]
    value = {"kind": "HoldList", "holds": [shown(*each) for each in found]}
    write_reports(targets, report_writers(lambda: value, lambda: sections(found)))


def shown(hold: Hold, found: Covered | None) -> dict[str, Any]:
    """Return a hold as JSON has it; `covers` is null for one that was released."""
    return {
        "id": hold.id,
        "scope": hold.scope.body,
        "reason": hold.reason,
        "ticket": hold.ticket,
        "readable": hold.readable,
        "index": hold.index,
        "placed_at": hold.placed_at,
        "released": hold.released,
        "covers": {"entries": found.entries, "decisions": found.decisions} if found is not None else None,
    }


def sections(holds: Sequence[tuple[Hold, Covered | None]]) -> list[Section]:
    """Return holds as people read them."""
    if not holds:
        return [Section(lines=["no legal hold is in place"])]
    rows = [
        (
            hold.id,
            str(hold.index),
            hold.placed_at[:10],
            f"{found.entries:,}" if found is not None else "-",
            describe(hold),
            f"{hold.reason} {hold.ticket or ''}".strip(),
        )
        for hold, found in holds
    ]
    table = Section(header=("=Hold", ">Entry", "=Placed", ">Entries now", "~Covers", "~Reason"), rows=rows)
    empty = ", ".join(hold.id for hold, found in holds if found is not None and not found.matters)
    return [table, Section(lines=[f"nothing on record is covered by: {empty}"])] if empty else [table]


def _covered_words(found: Covered | None) -> str:
    if found is None or not found.entries:
        return "no entry"
    count = f"{found.entries:,} entr{'y' if found.entries == 1 else 'ies'}"
    return f"{count}, of which {found.decisions:,} {'is a decision' if found.decisions == 1 else 'are decisions'}"


def describe(hold: Hold) -> str:
    """Say what a hold covers."""
    scope = hold.scope
    if not hold.readable:
        text = "everything: its entry cannot be read"
    elif scope.kind == "subject":
        text = "the entries that hold a value of one person"
    elif scope.kind == "workload":
        text = f"the workload {scope.namespace}/{scope.workload}"
    elif scope.kind == "namespace":
        text = f"the namespace {scope.namespace}"
    elif scope.kind == "period":
        text = f"what was recorded from {scope.since or 'the beginning'} until {scope.until or 'whenever'}"
    elif scope.kind == "indexes":
        text = f"the entries {scope.first or 0} to {scope.last if scope.last is not None else 'the end'}"
    else:
        text = "everything"
    return f"{text} (released by entry {hold.released})" if hold.released is not None else text


def _scope(
    *,
    subject: str | None,
    workload: str | None,
    namespace: str | None,
    since: datetime | None,
    until: datetime | None,
    first: int | None,
    last: int | None,
    everything: bool,
) -> Scope:
    """Return the one scope that the options give."""
    from policy_audit.holds import Scope
    from policy_audit.view import instant

    scopes: list[Scope] = []
    if subject is not None:
        scopes.append(Scope("subject"))
    if workload is not None:
        given, _, name = workload.rpartition("/")
        if given and namespace is not None and given != namespace:
            message = f"`--workload {workload}` is not in `--namespace {namespace}`"
            raise UsageError(Problem("usage", message, help="leave one of the two out"))
        if not given and namespace is None:
            message = f"`--workload {workload}` does not say in which namespace"
            raise UsageError(Problem("usage", message, help="write NAMESPACE/NAME"))
        scopes.append(Scope("workload", namespace=given or namespace, workload=name))
    elif namespace is not None:
        scopes.append(Scope("namespace", namespace=namespace))
    if since is not None or until is not None:
        first_time, last_time = (instant(time) if time is not None else None for time in (since, until))
        scopes.append(Scope("period", since=first_time, until=last_time))
    if first is not None or last is not None:
        scopes.append(Scope("indexes", first=first, last=last))
    if everything:
        scopes.append(Scope("all"))
    if len(scopes) != 1:
        message = "a hold has one scope" if scopes else "what the hold covers is not said"
        raise UsageError(
            Problem("usage", message, help="one of --subject, --workload, --namespace, a period, ..., --all")
        )
    return scopes[0]
