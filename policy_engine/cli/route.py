"""`policy route`."""

from __future__ import annotations

import click


@click.command("route", epilog="Example: policy route workload.yaml")
def command() -> None:
    """Not written yet: the part of this name writes it."""
    raise NotImplementedError
