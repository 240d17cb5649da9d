"""`policy catalog`: models, their figures, their hardware, and prices. Each command is a module of its own."""

from __future__ import annotations

import click

from policy_engine.cli.lazy import LazyCommands

_MODULES = {
    "list": "catalog_list",
    "show": "catalog_show",
    "compare": "catalog_compare",
    "disputes": "catalog_disputes",
    "size": "catalog_size",
    "refresh": "catalog_refresh",
}


@click.group(
    "catalog", cls=LazyCommands, modules=_MODULES, epilog="Example: policy catalog compare gpt-4o llama-3.1-70b"
)
def command() -> None:
    """Ask the catalog which models there are, what is known of them and what hardware they need; refresh its prices.

    A model or device that it does not know is exit status 2; a layer adds one, in its folder `catalog`.
    """
