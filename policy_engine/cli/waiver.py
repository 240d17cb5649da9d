"""`policy waiver`: exemptions from a rule, asked for, signed, and ended. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli.lazy import LazyCommands

#: In the order of the help: the command, and its module in `policy_engine.cli`.
MODULES = {
    "request": "waiver_request",
    "approve": "waiver_approve",
    "sign": "waiver_sign",
    "list": "waiver_list",
    "show": "waiver_show",
    "revoke": "waiver_revoke",
    "keygen": "waiver_keygen",
}


@click.group(
    "waiver",
    cls=LazyCommands,
    modules=MODULES,
    epilog="Example: policy waiver request 569fa0a1 --rule no-mlops-no-self-hosting --reason 'team arrives in March' "
    "--ticket OPS-7 --until 2027-02-28 -o waiver.yaml",
)
def command() -> None:
    """Ask for, approve, list and revoke waivers.

    A waiver lifts one waivable rule for one option of one workload, until a day, while the facts stay what they were.
    """
