"""`policy parity`."""

from __future__ import annotations

import click


@click.command("parity", epilog="Example: policy parity workload.yaml")
def command() -> None:
    """Not written yet: the part of this name writes it."""
    raise NotImplementedError
