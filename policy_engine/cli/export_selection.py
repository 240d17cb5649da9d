"""The options that say which decisions an export holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from policy_engine.cli.decision_filters import decision_filters, given_filters
from policy_engine.errors import Problem, UsageError
from policy_engine.exports.evidence import ALL_UP_TO, MODES, SAMPLE
from policy_engine.wording import number

F = TypeVar("F", bound=Callable[..., Any])


def selection_options(command: F) -> F:
    """The filters of decisions, and what an export of them comes with."""
    most = f"all up to {number(ALL_UP_TO)} decisions, above a sample of {SAMPLE}"
    personal = "Also owner, champion and actor; that is put on record."
    command = click.option("--with-personal", is_flag=True, help=personal)(command)
    proofs = f"Entries that come with proof.  [default: {most}]"
    return decision_filters(click.option("--proofs", type=click.Choice(MODES), help=proofs)(command))


def refuse_selection(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options that select decisions where the format holds the whole log.

    Raises:
        UsageError: one was given.
    """
    options = given_filters(given)
    if options:
        message = f"`{options[0]}` selects decisions, and `--format {name}` holds the whole log"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
