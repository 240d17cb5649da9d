"""A group of commands whose modules are imported when they are called or asked for help."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class LazyCommands(click.Group):
    """A group of `modules`: the name of each command, and the module of this package that defines it."""

    def __init__(self, *arguments: Any, modules: dict[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        command: click.Command = import_module(f"policy_engine.cli.{self._modules[cmd_name]}").command
        return command
