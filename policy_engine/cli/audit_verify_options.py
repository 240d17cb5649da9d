"""What `policy audit verify` compares with beyond files, and how its result is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.verifying import run_draft
from policy_engine.cli.anchor_options import anchor_errors
from policy_engine.cli.ledger_writing import writing
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.cosignature import Quorum

_READABLE = ("file", "git")


def anchored_places(config: Path | None) -> list[str]:
    """Return the places of an anchors.toml that give back what they hold.

    Raises:
        UsageError: it cannot be read, or names none of them.
    """
    if config is None:
        return []
    from policy_audit.anchors.configuration import read_configuration

    with anchor_errors():
        found = read_configuration(config)
    places = [place.where for place in (*found.places, *found.evidence) if place.kind in _READABLE]
    if not places:
        message = f"`{config}` names no place that gives back what it holds"
        raise UsageError(Problem("anchor-place", message, help="file: and git: places do"))
    return places


def check_quorum(witnesses: Sequence[str], need: int | None) -> Quorum | None:
    """Return which witnesses must have cosigned what was kept.

    Raises:
        UsageError: a key is none of a witness, or more are needed than there are.
    """
    from policy_audit.cosignature import Quorum
    from policy_audit.errors import VerificationError

    if not witnesses:
        if need is not None:
            raise UsageError(Problem("usage", "`--need` goes with `--witness`"))
        return None
    try:
        return Quorum(tuple(witnesses), len(set(witnesses)) if need is None else need)
    except VerificationError as error:
        raise UsageError(Problem("verifier-key", error.message, help=error.help)) from None


def record_run(ctx: click.Context, url: str | None, key: Path | None, shown: Mapping[str, Any], kept: int) -> None:
    """Record the result of a verification, whatever it is.

    Raises:
        RecordingError: the ledger refused, as it does where its head is not what its key signed.
    """
    with writing(ctx, url, key) as ledger:
        recorded = ledger.append(run_draft(shown, kept))
    click.echo(f"recorded as entry {recorded.index}", err=True)
