"""`policy audit rekey`: change the personal key, so that older backups cannot be read with what is kept."""

from __future__ import annotations

from pathlib import Path

import click

from policy_engine.cli.ledger_writing import officer, reason_options, writing
from policy_engine.cli.options import ledger_options


@click.command("rekey", epilog='Example: policy audit rekey --reason "yearly, and after erasures"')
@reason_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context, /, *, reason: str, ticket: str | None, ledger: str | None, ledger_key: Path | None
) -> None:
    """Change the personal key that personal values are in the end sealed under.

    Backups from before hold values sealed under the old key, also those erased since. Once every copy of the old key is
    destroyed, nobody can read them. Close the programs that have the ledger open first: they are refused afterwards,
    until they open it again.
    """
    from policy_audit.rekeying import rekey

    with writing(ctx, ledger, ledger_key) as open_ledger:
        recorded = rekey(open_ledger, reason=reason, ticket=ticket, by=officer())
    click.echo(f"the personal key is changed; on record as entry {recorded.index}")
    click.echo("back the new key up, and destroy every copy of the old one: it opens the backups made until now")
