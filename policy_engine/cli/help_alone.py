"""Commands whose exit status somebody relies on: their help is given alone, and never in place of the command."""

from __future__ import annotations

from typing import Any

import click

from policy_engine.errors import Problem, UsageError

_WORDS = "policy_engine.words"


class HelpAlone(click.Command):
    """A command that refuses `--help` among other words: a shell's `*` makes an option of a file that is called so."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = len(args)
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _shown_alone
        return option


def _shown_alone(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Show the help, where nothing else was asked for.

    Raises:
        UsageError: other words stand beside it.
    """
    if not value or ctx.resilient_parsing:
        return
    if ctx.meta.get(_WORDS, 0) > 1:
        message = "`--help` stands among other words, and the command would do nothing"
        raise UsageError(Problem("usage", message, help="put `--` before files, or name their folder"))
    click.echo(ctx.get_help(), color=ctx.color)
    ctx.exit()
