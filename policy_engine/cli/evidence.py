"""`policy evidence`: what makes evidence approved or recorded. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli.lazy import LazyCommands

#: In the order of the help: the command, and its module in `policy_engine.cli`.
MODULES = {
    "approve": "evidence_approve",
    "record": "evidence_record",
    "check": "evidence_check",
    "revoke": "evidence_revoke",
}


@click.group(
    "evidence",
    cls=LazyCommands,
    modules=MODULES,
    epilog="Example: policy evidence approve workload.yaml dpa --key counsel.key --policy acme",
)
def command() -> None:
    """Approve, record, check and revoke the evidence of a workload.

    Its grades, from the weakest: asserted (a reference), attached (a file and its SHA-256), approved (signed by
    somebody whom the policy names), recorded (in a ledger whose key the policy pins). A rule may ask for any.
    """
