"""`policy migrate`."""

from __future__ import annotations

import click


@click.command("migrate", epilog="Example: policy migrate workload.yaml")
def command() -> None:
    """Not written yet: the part of this name writes it."""
    raise NotImplementedError
