"""`policy cost`."""

from __future__ import annotations

import click


@click.command("cost", epilog="Example: policy cost workload.yaml")
def command() -> None:
    """Not written yet: the part of this name writes it."""
    raise NotImplementedError
