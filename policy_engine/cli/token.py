"""`policy token`: who may use the served engine. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli.lazy import LazyCommands

#: In the order of the help: the command, and its module in `policy_engine.cli`.
MODULES = {"create": "token_create", "list": "token_list", "revoke": "token_revoke"}


@click.group(
    "token",
    cls=LazyCommands,
    modules=MODULES,
    epilog="Example: policy token create --subject ann@acme.example --role decide --role read --namespace support",
)
def command() -> None:
    """Make, list and revoke the tokens of the served engine.

    A token is on record by its hash, with whom it speaks for, what it may do and until when; its text is shown once.
    Whoever may write to the ledger may make tokens.
    """
