"""What `evaluate` and `gate` are told: the options that both have, and what these come down to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import (
    LedgerChoice,
    choose_ledger,
    decision_options,
    ledger_files,
    now,
    output_options,
    policy_options,
    recording_options,
)

if TYPE_CHECKING:
    from policy_engine.cli.output import Target

FORMATS = ("text", "json", "yaml", "markdown")

Command = Callable[..., int]
Option = Callable[[Command], Command]

_PASSED_ON = ("files", "layers", "policy_digest", "purpose", "cross_check", "all_rules", "verbose", "quiet")
_DECIDING: tuple[Option, ...] = (
    click.argument("files", nargs=-1, required=True, metavar="FILE..."),
    click.option("--all-rules", is_flag=True, help="List the rules that did not fire, too."),
    click.option(
        "--cross-check", is_flag=True, help="Ask the CEL runtime the same conditions; differ, and nothing is decided."
    ),
)
_SHARED: tuple[Option, ...] = (output_options(FORMATS), decision_options, policy_options, recording_options)


@dataclass(frozen=True)
class Run:
    """What the options of a run come down to: what is decided, when, by which rules, and where it goes."""

    files: Sequence[str]
    layers: Sequence[Path]
    policy_digest: str | None
    ledger: LedgerChoice
    at: datetime
    purpose: str
    cross_check: bool
    targets: Sequence[Target]
    all_rules: bool
    verbose: int
    quiet: bool


def run_options(*own: Option) -> Option:
    """Give a command the files and options of a run, and call it with the `Run`; `own` are options of its own.

    They are given here, because the help tells them after those of deciding and before those of the report.
    """

    def add(command: Command) -> Command:
        @click.pass_context
        @wraps(command)
        def call(
            ctx: click.Context,
            /,
            *,
            outputs: Sequence[str],
            at: datetime | None,
            ledger: str | None,
            ledger_key: Path | None,
            **given: Any,
        ) -> int:
            from policy_engine.cli.output import parse_outputs, spare

            targets = parse_outputs(outputs, FORMATS)
            shared = {name: given.pop(name) for name in _PASSED_ON}
            choice = choose_ledger(ctx, ledger, ledger_key, spools=True)
            run = Run(targets=targets, ledger=choice, at=at or now(), **shared)
            if any(target.path is not None for target in targets):
                spools = [choice.spool] if choice.spool is not None else []
                spare(targets, [*map(Path, run.files), *ledger_files(choice)], [*run.layers, *spools])
            return command(run, **given)

        # click reads decorators from the last to the first: so does this
        for option in reversed((*_DECIDING, *own, *_SHARED)):
            call = option(call)
        return call

    return add
