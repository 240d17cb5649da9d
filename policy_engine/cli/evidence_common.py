"""What the commands under `policy evidence` share: one workload of a file, and files beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.errors import InputError, Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy
    from policy_engine.model.workload import Workload

workload_option = click.option(
    "--workload", "chosen", metavar="[NAMESPACE/]NAME", help="Which one, where the file has several."
)


def one_workload(file: str, chosen: str | None, policy: Policy) -> tuple[Workload, Path]:
    """Return the workload that is meant, and the folder that its evidence is in.

    Raises:
        InputError: the file is invalid, or it is not told which of several is meant.
    """
    from policy_engine.cli.deciding import read_source
    from policy_engine.loading.workload_file import load_workloads

    text, name, folder = read_source(file)
    found = [each.workload for each in load_workloads(text, name, policy.vocabulary)]
    fitting = [each for each in found if chosen in (None, each.identity, each.metadata.name)]
    if len(fitting) != 1:
        names = [each.identity for each in found]
        hint = (did_you_mean(chosen, names) if chosen else None) or f"give --workload: {', '.join(names)}"
        what = "no workload" if not fitting else f"{len(fitting)} workloads"
        called = f" called `{chosen}`" if chosen else ""
        raise InputError(Problem("which-workload", f"`{name}` has {what}{called}", help=hint))
    return fitting[0], folder


def check_target(target: Path, begins: str) -> None:
    """Refuse to write over anything but a file of this kind, whose text begins so.

    Raises:
        UsageError: something else stands there, or nothing can be written there.
    """
    from policy_engine.cli.output import parse_outputs

    parse_outputs([f"file={target}"], ["file"])
    try:
        with target.open("rb") as stream:
            other = target.is_file() and not stream.read(len(begins)).startswith(begins.encode())
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"cannot write `{target}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None
    if other or not target.is_file():
        message = f"`{target}` is there already, and is something else"
        raise UsageError(Problem("file-exists", message, help="name another file with -o"))


def beside(target: Path, folder: Path) -> str:
    """Return the name by which a workload in `folder` names `target`."""
    name = os.path.relpath(target.resolve(), folder.resolve())
    if name.startswith(os.pardir + os.sep):
        click.echo(f"the workload cannot name {target}: it lies outside the workload's folder", err=True)
    return name
