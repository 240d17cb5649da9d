"""What the commands under `policy rules` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from policy_engine.cli.sections import FORMATS

F = TypeVar("F", bound=Callable[..., Any])


def output_option(command: F) -> F:
    """`-o FORMAT[=PATH]`."""
    text = f"{', '.join(FORMATS)}; to a file with =PATH; repeatable.  [default: text]"
    return click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=text)(command)


def layer_directories(command: F) -> F:
    """Layers as arguments, over those of `--policy`."""
    return click.argument("directories", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))(command)
