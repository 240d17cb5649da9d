"""`policy rollout`."""

from __future__ import annotations

import click


@click.command("rollout", epilog="Example: policy rollout workload.yaml")
def command() -> None:
    """Not written yet: the part of this name writes it."""
    raise NotImplementedError
