"""`policy rules`: the rules in force, their checks and their cases. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli import (
    rules_activate,
    rules_activations,
    rules_cases,
    rules_facts,
    rules_lint,
    rules_list,
    rules_mutate,
    rules_new,
    rules_show,
)


@click.group("rules", epilog="Example: policy rules show data-stays-in-network")
def command() -> None:
    """List, show, check, test and scaffold rules, and put a policy in force.

    Rules that are invalid are exit status 3, and a case that does not come out as it says is 4.
    """


for _module in (
    rules_list,
    rules_facts,
    rules_show,
    rules_lint,
    rules_cases,
    rules_mutate,
    rules_new,
    rules_activate,
    rules_activations,
):
    command.add_command(_module.command)
