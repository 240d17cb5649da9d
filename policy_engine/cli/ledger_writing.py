"""What the commands share that put on record what is done to the ledger: open it for writing, and say who does it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, opened
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.ledger import Ledger

F = TypeVar("F", bound=Callable[..., object])
#: What the ledger calls wrong about the question, rather than about itself.
_INPUT = frozenset({"subject-missing", "hold-missing", "reason-names-subject", "reason", "hold-id", "hold-scope"})
_LONGEST = 4000
UNNAMED = "nobody is named who does this, and the ledger will say so for good; set POLICY_ACTOR to who acts"


@contextmanager
def writing(ctx: click.Context, url: str | None, key: Path | None) -> Iterator[Ledger]:
    """Open the ledger of the settings for writing; none is ever made.

    Raises:
        RecordingError: it is not there, is not a ledger, or refuses.
        InputError: it refuses for what was asked of it.
    """
    from policy_audit.errors import LedgerError

    with reading(ctx, url, key):
        pass  # says what is wrong where there is none, and makes none
    with opened(choose_ledger(ctx, url, key)) as ledger:
        try:
            yield ledger
        except LedgerError as error:
            if error.code not in _INPUT:
                raise
            raise InputError(Problem(error.code, error.message, help=error.help)) from error


def officer(*, recorded: bool = True) -> By:
    """Return who does it, as the environment says: the actor is asserted outside of CI systems.

    Where nobody is named the act goes on: the entry says so for good, `policy audit report separation-of-duties` names
    it, and whoever acts is warned, unless nothing is `recorded`.
    """
    from policy_audit.changing import By

    from policy_engine.recorder import NOBODY, context_from_environment

    found = context_from_environment("draft")
    if found.actor is not None:
        return By({"actor": found.actor}, {"actor_known_by": found.actor_known_by, **found.details})
    if recorded:
        click.echo(f"warning: {UNNAMED}", err=True)
    return By({}, {"actor_known_by": NOBODY, **found.details})


def given_subject(subject: str) -> str:
    """Return the person that a command names; `-` reads it from standard input, away from the shell's history.

    Raises:
        UsageError: it is empty.
    """
    text = sys.stdin.readline(_LONGEST) if subject == "-" else subject
    if not text.strip():
        raise UsageError(
            Problem("usage", "the person is empty", help="name an owner, champion, actor, ... as recorded")
        )
    return text.strip()


def reason_options(command: F) -> F:
    """`--reason` and `--ticket`."""
    command = click.option("--ticket", metavar="ID", help="The ticket that asks for it; recorded.")(command)
    return click.option(
        "--reason", metavar="TEXT", required=True, help="Why; recorded for good, so without names of persons."
    )(command)
