"""`policy waiver request`: a file that asks to waive one rule, prefilled from a recorded decision."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import ledger_options
from policy_engine.cli.waiver_common import Day, acting, actor_of, audited, write_waiver
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


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
    from policy_engine.waivers.acts import asked_for, asking, name_nobody, too_many_days
    from policy_engine.waivers.requesting import request_of, with_terms

    context = acting()
    name = actor_of(context, "asks for it")
    _check_target(target)
    today = now().date()
    if until < today:
        raise UsageError(Problem("bad-period", f"`--until {until}` lies in the past", help="name a later day"))
    with audited(), reading(ctx, ledger, ledger_key) as open_ledger:
        document, identifier, policy, owners = _decided(open_ledger, decision)
    wanted = request_of(document, identifier, policy, rule, option, task)
    request = with_terms(wanted, reason, ticket, since or today, until)
    name_nobody({name: request[name] for name in ("reason", "ticket")}, {**owners, "requester": name})
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        file = asked_for(open_ledger, open_ledger.append(asking(request, open_ledger.origin, name, context)).index)
    write_waiver(target, file)
    scope = file.statement.scope
    click.echo(f"asked to waive {rule} for {scope.option} on {scope.namespace}/{scope.name} through {until}: {target}")
    if warning := too_many_days(policy, (until - (since or today)).days + 1):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"next: policy waiver approve {target} --key KEYFILE --policy DIR, by somebody else")


def _check_target(target: Path) -> None:
    from policy_engine.cli.output import parse_outputs

    parse_outputs([f"file={target}"], ["file"])  # refuses what cannot be written, before anything is recorded
    if os.path.exists(target):
        raise UsageError(Problem("cannot-write", f"`{target}` is there already", help="name another file"))


def _decided(ledger: Ledger, target: str) -> tuple[dict[str, Any], str, dict[str, Any], dict[str, str]]:
    """Return a recorded decision's document, its id, the policy that it was made under, and the persons it names."""
    from policy_engine.asking.entries import decision_document, find_entry
    from policy_engine.errors import VerificationFailedError
    from policy_engine.waivers.acts import policy_of

    entry = find_entry(ledger, target)
    if entry.document["type"] != "decision":
        hint = "`policy audit list` shows the decisions"
        raise InputError(Problem("not-a-decision", f"the entry {entry.index} is no decision", help=hint))
    policy = policy_of(ledger, entry.document)
    if policy is None:
        message = f"the entry {entry.index} names no policy that can be read"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    identifier = entry.document["view"]["decision_id"]
    return decision_document(ledger, entry), identifier, policy, ledger.personal(entry.index)
