"""`policy catalog`: models and the hardware that they need. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli import catalog_size


@click.group("catalog", epilog="Example: policy catalog size llama-3.1-70b --quantization int4")
def command() -> None:
    """Ask the catalog what hardware a model needs, and what that costs.

    A model or device that it does not know is exit status 2; a layer adds one, in its folder `catalog`.
    """


for _module in (catalog_size,):
    command.add_command(_module.command)
