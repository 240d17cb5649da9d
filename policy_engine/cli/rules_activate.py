"""`policy rules activate`: put a policy in force, signed by those whom the policy before it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.cli.ledger_writing import officer
from policy_engine.cli.options import ledger_options
from policy_engine.cli.waiver_common import audited, signer_of


@click.command("activate", epilog="Example: policy rules activate acme --reason 'residency, RFC 12' --key ann.key")
@click.argument("directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good, so name no people.")
@click.option("--key", metavar="KEYFILE", type=click.Path(path_type=Path), help="The key of a policy-activator.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    directories: Sequence[Path],
    reason: str,
    key: Path | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Put the shipped rules with these layers in force, and record it.

    Where the policy in force names people with the role policy-activator, one of them has to sign; where it asks for
    two approvals, the first signature records a proposal, and the same command by another person puts it in force.
    """
    from policy_engine.activations import activation_draft, activations, judge_of, propose
    from policy_engine.cli.options import choose_ledger, load, now, opened
    from policy_engine.waivers.requesting import plain

    text = plain(reason, "--reason", 4000)
    signer = signer_of(key) if key is not None else None
    policy = load(directories, None, use_cache=False)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        before = activations(open_ledger)
        judge = judge_of(before, open_ledger, policy)
        statement, note, people, active = propose(policy, before, judge, signer, text, now().date())
        who = officer()
        drafted = activation_draft(policy, statement, note, people, active, who.personal, who.context)
        index = open_ledger.append(drafted).index
    click.echo(f"policy {policy.rules.version}, {policy.digest}")
    if active:
        click.echo(f"in force: entry {index}")
    else:
        missing = judge.activation_approvals - len(people)
        click.echo(f"proposed: entry {index}; {missing} more to run the same command")
