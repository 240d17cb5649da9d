"""A question to the ledger, as the command line that asks it again, and as an entry where that is wanted."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.cli.options import LedgerChoice, _settings, ledger_options, opened

if TYPE_CHECKING:
    from policy_audit.checkpoint import Checkpoint

F = TypeVar("F", bound=Callable[..., Any])
_ANSWER = "policy_engine.officer_query"
#: What `policy audit report` hands its answer out by: no part of what is asked.
EXPORTED = ("export", "export_format", "proofs", "with_personal", "unrecorded")
#: How it is shown, where the ledger is (its URL may hold a password), and the recording itself are no part of a query.
_NOT_ASKED = frozenset(
    {"outputs", "ledger", "ledger_key", "ledger_vkey", "record_query", "receipts", "receipt", *EXPORTED}
)


def query_options(command: F) -> F:
    """`--ledger`, `--ledger-key` and `--record-query`."""
    command = click.option(
        "--record-query",
        is_flag=True,
        envvar="POLICY_RECORD_QUERY",
        callback=_settings,
        help="Put this question on record first, with its count; needs the signing key.",
    )(command)
    return ledger_options(command)


def command_line(ctx: click.Context, *, persons: bool = True) -> str:
    """Return the command line that asks this again; without `persons`, what names somebody is left out."""
    from policy_engine.access.officer_reads import UNTOLD

    words = ctx.command_path.split()
    for parameter in ctx.command.params:
        name, value = parameter.name or "", ctx.params.get(parameter.name or "")
        source = ctx.get_parameter_source(name)
        if name in _NOT_ASKED or source is None or source.name.startswith("DEFAULT") or value in (None, False, ()):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        if isinstance(parameter, click.Argument):
            words += [_word(each) for each in values]
            continue
        option = max(parameter.opts, key=len)
        for each in values:
            shown = _word(each) if persons else UNTOLD.get(name, _word(each))
            words += [option] if each is True or each == "" else [option, shown]
    return shlex.join(words)


def answered(ctx: click.Context, count: int, checkpoint: Checkpoint | None = None) -> None:
    """Note what a question found, for the entry that records it."""
    ctx.meta[_ANSWER] = (count, checkpoint)


def record_query(ctx: click.Context, choice: LedgerChoice) -> None:
    """Append the entry of the question that `ctx` is, where that is wanted; its answer is shown only after this.

    Raises:
        RecordingError: the ledger refused, so that the answer is withheld.
    """
    if not ctx.params.get("record_query"):
        return
    from policy_engine.access.officer_reads import PERSONS, read_draft
    from policy_engine.recorder import context_from_environment

    count, checkpoint = ctx.meta.get(_ANSWER, (0, None))
    query = " ".join(ctx.command_path.split()[1:])
    by = context_from_environment("draft")
    asked = next((ctx.params[name] for name in sorted(PERSONS) if ctx.params.get(name)), None)
    command = command_line(ctx, persons=False)
    draft = read_draft(query, command, count, by, person=asked, checkpoint=checkpoint)
    with opened(choice) as ledger:
        ledger.append(draft)


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Path | int) else value
