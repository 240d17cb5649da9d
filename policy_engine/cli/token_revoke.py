"""`policy token revoke`: take a token back. It lets nobody in from then on."""

from __future__ import annotations

from pathlib import Path

import click

from policy_engine.cli.options import ledger_options
from policy_engine.errors import InputError, Problem, did_you_mean

_LONGEST_REASON = 1000


@click.command("revoke", epilog="Example: policy token revoke 5f0c2a7e91bd --reason 'the pipeline is gone'")
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good, so name no people.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context, /, *, identifier: str, reason: str, ledger: str | None, ledger_key: Path | None
) -> None:
    """Take a token back by its id, also one that has expired.

    It counts at once, in every server on this ledger, and ends the sessions that were begun with it.
    """
    from policy_engine.access.tokens import Tokens, revoked_draft, token_id
    from policy_engine.cli.options import choose_ledger, opened
    from policy_engine.cli.waiver_common import acting, actor_of, audited
    from policy_engine.waivers.acts import name_nobody
    from policy_engine.waivers.requesting import plain

    context = acting()
    actor = actor_of(context, "revokes it")
    text, name = plain(reason, "--reason", _LONGEST_REASON), token_id(identifier)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        known = {each.id: each for each in Tokens.read(open_ledger).all()}
        token = known.get(name)
        if token is None:
            hint = did_you_mean(name, sorted(known)) or "`policy token list` shows them"
            raise InputError(Problem("token-missing", f"the ledger has no token `{name[:40]}`", help=hint))
        name_nobody({"reason": text}, {"actor": actor, "subject": token.subject})
        if token.revoked is not None:
            message = f"the token {name} was revoked already, in entry {token.revoked.index}"
            raise InputError(Problem("token-revoked", message))
        index = open_ledger.append(revoked_draft(name, text, context)).index
    click.echo(f"revoked: entry {index}, token {name}; it lets nobody in any more")
