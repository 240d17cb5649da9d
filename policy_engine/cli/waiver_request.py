"""`policy waiver request`: a file that asks to waive one rule, prefilled from a recorded decision."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import ledger_options
from policy_engine.cli.waiver_common import Day, acting, actor_of, audited, name_nobody, write_waiver
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.waivers.files import WaiverFile


@click.command(
    "request",
    epilog="Example: policy waiver request 569fa0a1 --rule no-mlops-no-self-hosting --reason 'the team starts in "
    "March' --ticket OPS-7 --until 2027-02-28 -o waiver.yaml",
)
@click.argument("decision", metavar="DECISION")
@click.option("--rule", required=True, metavar="RULE-ID", help="The rule that is to be lifted; it must be waivable.")
@click.option("--option", metavar="OPTION", help="For which option.  [default: the judged one]")
@click.option("--task", metavar="NAME", help="For this task alone.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good, so name no people.")
@click.option("--ticket", required=True, metavar="ID", help="Where it was discussed.")
@click.option("--until", required=True, type=Day(), help="The last day on which it holds (UTC).")
@click.option("--from", "since", type=Day(), help="The first day.  [default: today]")
@click.option("-o", "--output", "target", required=True, metavar="FILE", type=click.Path(path_type=Path))
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    decision: str,
    rule: str,
    option: str | None,
    task: str | None,
    reason: str,
    ticket: str,
    until: date,
    since: date | None,
    target: Path,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Ask to waive a rule that stood against an option in a recorded decision.

    DECISION is its id, the first characters of it, or its index in the ledger. The request is recorded; FILE goes to
    an approver. A mandatory rule cannot be waived (exit status 2).
    """
    from policy_engine.cli.ledger_reading import reading
    from policy_engine.cli.options import choose_ledger, now, opened
    from policy_engine.waivers.requesting import request_of, with_terms

    context = acting()
    people = {"requester": actor_of(context, "asks for it")}
    _check_target(target)
    today = now().date()
    if until < today:
        raise UsageError(Problem("bad-period", f"`--until {until}` lies in the past", help="name a later day"))
    with audited(), reading(ctx, ledger, ledger_key) as open_ledger:
        document, identifier, policy, owners = _decided(open_ledger, decision)
    wanted = request_of(document, identifier, policy, rule, option, task)
    request = with_terms(wanted, reason, ticket, since or today, until)
    name_nobody({name: request[name] for name in ("reason", "ticket")}, {**owners, **people})
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        file = _record(open_ledger, request)
    write_waiver(target, file)
    scope = file.statement.scope
    click.echo(f"asked to waive {rule} for {scope.option} on {scope.namespace}/{scope.name} through {until}: {target}")
    _warn_of_length(policy, (until - (since or today)).days + 1)
    click.echo(f"next: policy waiver approve {target} --key KEYFILE --policy DIR, by somebody else")


def _warn_of_length(policy: Mapping[str, Any], days: int) -> None:
    """Say that nobody may grant so many days under the decision's policy; another may be in effect by then."""
    most = policy.get("approvers", {}).get("waivers", {}).get("max_days")
    if isinstance(most, int) and days > most:
        said = f"the policy of that decision lets a waiver run {most} days, and this one asks for {days}"
        click.echo(f"warning: {said}: nobody may approve it while that is so", err=True)


def _check_target(target: Path) -> None:
    from policy_engine.cli.output import parse_outputs

    parse_outputs([f"file={target}"], ["file"])  # refuses what cannot be written, before anything is recorded
    if os.path.exists(target):
        raise UsageError(Problem("cannot-write", f"`{target}` is there already", help="name another file"))


def _decided(ledger: Ledger, target: str) -> tuple[dict[str, Any], str, dict[str, Any], dict[str, str]]:
    """Return a recorded decision's document, its id, the policy that it was made under, and the persons it names."""
    from policy_engine.asking.entries import decision_document, find_entry
    from policy_engine.errors import VerificationFailedError

    entry = find_entry(ledger, target)
    if entry.document["type"] != "decision":
        hint = "`policy audit list` shows the decisions"
        raise InputError(Problem("not-a-decision", f"the entry {entry.index} is no decision", help=hint))
    try:
        policy = json.loads(ledger.blob(entry.document["blobs"]["rules"]))
    except (KeyError, ValueError, RecursionError):
        message = f"the entry {entry.index} names no policy that can be read"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`")) from None
    identifier = entry.document["view"]["decision_id"]
    return decision_document(ledger, entry), identifier, policy, ledger.personal(entry.index)


def _record(ledger: Ledger, request: dict[str, Any]) -> WaiverFile:
    """Record the request, and return its file: name and salt are those that open the entry's commitment."""
    from msgspec.structs import replace

    from policy_engine.model.waiver import Requester, read_statement
    from policy_engine.waivers.files import WaiverFile
    from policy_engine.waivers.on_record import request_draft, stored_context

    context = acting()
    name = actor_of(context, "asks for it")
    # what the file could not hold is refused before it is recorded
    request = {**request, "origin": ledger.origin}
    blank = {"commitment": "A" * 43, "known_by": context.actor_known_by}
    statement = read_statement({**request, "requester": blank})
    personal = {"requester": name, "actor": name}
    draft = request_draft(request, context.actor_known_by, personal, stored_context(context))
    recorded = ledger.append(draft)
    disclosure = ledger.disclosures(recorded.index)["requester"]
    requester = Requester(disclosure.digest, context.actor_known_by)
    return WaiverFile(replace(statement, requester=requester), name, disclosure.salt, ())
