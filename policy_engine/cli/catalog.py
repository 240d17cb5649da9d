"""`policy catalog`: models, the hardware that they need, and prices. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli import catalog_refresh, catalog_size


@click.group("catalog", epilog="Example: policy catalog size llama-3.1-70b --quantization int4")
def command() -> None:
    """Ask the catalog what hardware a model needs and what that costs, and bring its prices up to today.

    A model or device that it does not know is exit status 2; a layer adds one, in its folder `catalog`.
    """


for _module in (catalog_size, catalog_refresh):
    command.add_command(_module.command)
