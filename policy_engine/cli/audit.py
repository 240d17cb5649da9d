"""`policy audit`: what the compliance officer asks of the ledger. Each command is a module of its own.

INVARIANT: these commands open the ledger for reading and never make one.
"""

from __future__ import annotations

import click

from policy_engine.cli import audit_list, audit_prove, audit_show, audit_verify


@click.group("audit", epilog="Example: policy audit verify --vkey policy-ledger.local/60ca5227+c0da0951+ATqN...")
def command() -> None:
    """List, show, verify and prove what is on record.

    A ledger that is not there, or is not what it should be, is exit status 6.
    """


for _module in (audit_list, audit_show, audit_verify, audit_prove):
    command.add_command(_module.command)
