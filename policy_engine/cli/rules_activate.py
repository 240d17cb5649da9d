"""`policy rules activate`: put a policy in force, signed by those whom the policy before it names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_writing import officer
from policy_engine.cli.options import ledger_options
from policy_engine.cli.waiver_common import audited, signer_of
from policy_engine.errors import InputError, Problem

if TYPE_CHECKING:
    from policy_audit.keys import Signer
    from policy_audit.ledger import Ledger

    from policy_engine.activations import Activation
    from policy_engine.loading.policy import Policy


@click.command("activate", epilog="Example: policy rules activate acme --reason 'residency, RFC 12' --key ann.key")
@click.argument("directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "--reason", metavar="TEXT", help="Why; kept for good, so name no people.  [default: that of the proposal]"
)
@click.option("--key", metavar="KEYFILE", type=click.Path(path_type=Path), help="The key of a policy-activator.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    directories: Sequence[Path],
    reason: str | None,
    key: Path | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Put the shipped rules with these layers in force, and record it.

    Where the policy in force names people with the role policy-activator, one of them has to sign; where it asks for
    two approvals, the first signature records a proposal, and the same command by another person puts it in force.
    Read what is printed: that is what is signed. Whoever signs another's proposal repeats its reason, or leaves
    --reason out and agrees to what is shown; on a terminal they are asked.
    """
    from policy_engine.cli.options import choose_ledger, load, opened
    from policy_engine.waivers.requesting import plain

    text = plain(reason, "--reason", 4000) if reason is not None else None
    signer = signer_of(key) if key is not None else None
    policy = load(directories, None, use_cache=False)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        judged = _activate(open_ledger, policy, signer, text)
    _tell(judged)


def _activate(ledger: Ledger, policy: Policy, signer: Signer | None, reason: str | None) -> Activation:
    """Show, sign and record, and return the entry as everybody will read it: another may have come before it."""
    from policy_engine.activating import activation_draft, agreed, judge_of, propose, statement_of, waiting
    from policy_engine.activations import activations
    from policy_engine.cli.options import now
    from policy_engine.waivers.acts import name_nobody

    day = now().date()
    before = activations(ledger)
    judge = judge_of(before, ledger, policy)
    statement = statement_of(policy, reason or "", ledger.origin, before)
    proposal = agreed(waiting(statement, before), reason, judge, signer, day)
    shown = statement if proposal is None else proposal.statement
    who = officer()
    name_nobody({"reason": shown["reason"]}, {**who.personal, **_identities(policy, signer)})
    _show(shown, proposal)
    if reason is None and sys.stdin is not None and sys.stdin.isatty() and not click.confirm("Sign that?"):
        raise InputError(Problem("not-signed", "nothing was signed, and nothing recorded"))
    proposed = propose(statement, proposal, judge, signer, day)
    drafted = activation_draft(policy, proposed, judge.activation_approvals, who.personal, who.context)
    index = ledger.append(drafted).index
    return next(each for each in activations(ledger) if each.index == index)


def _identities(policy: Policy, signer: Signer | None) -> dict[str, str]:
    """Return the names of whoever signs, where the policy that is to come tells them."""
    key = signer.verifier_key if signer is not None else None
    people = (each for each in policy.approvers.people.values() if key in [one.text for one in each.keys])
    return {f"approver_{number}": name for each in people for number, name in enumerate(each.identities)}


def _show(statement: Mapping[str, Any], proposal: Activation | None) -> None:
    """Say what is about to be signed, and who signed it already."""
    from policy_engine.cli.printable import printable

    follows = statement["follows"]
    rows = [
        ("policy", statement["policy"]),
        ("version", statement["version"]),
        *(("layer", f"{layer['name']} {layer['digest']}") for layer in statement["layers"]),
        ("reason", statement["reason"]),
        ("ledger", statement["origin"]),
        ("follows", f"entry {follows['index']}" if follows is not None else "no activation"),
        ("signed by", ", ".join(proposal.by) if proposal is not None else "nobody yet"),
    ]
    for name, text in rows:
        click.echo(f"{name:<10} {printable(str(text))}")


def _tell(judged: Activation) -> None:
    """Say what the entry came to.

    Raises:
        InputError: it does not count.
    """
    if judged.status == "active":
        click.echo(f"in force: entry {judged.index}")
    elif judged.status == "proposed":
        missing = judged.needed - len(judged.by)
        click.echo(f"proposed: entry {judged.index}; {missing} more to run the same command")
    else:
        message = f"the entry {judged.index} is on record, and puts nothing in force: {judged.problem}"
        hint = "see `policy rules activations`, and run the command again if that is still what you want"
        raise InputError(Problem("overtaken", message, help=hint))
