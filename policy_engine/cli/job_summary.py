"""The summary of a job in GitHub Actions: what `-o github` says in full, beside ten annotations of a kind."""

from __future__ import annotations

import os
from pathlib import Path

import click

from policy_engine.ci.judged import Judged
from policy_engine.errors import Problem, UsageError
from policy_engine.whole_files import KEPT, is_kept

NAME = "GITHUB_STEP_SUMMARY"


def append_summary(judged: Judged, status: int) -> None:
    """Append to the file that the environment names, and never more than GitHub takes of a step.

    Raises:
        UsageError: it cannot be written.
    """
    from policy_engine.ci.comment import summary
    from policy_engine.ci.limited import SUMMARY, utf8_size

    place = os.environ.get(NAME)
    if not place:
        click.echo(f"warning: ${NAME} is not set, so that no job summary is written", err=True)
        return
    path = Path(place)
    try:
        if is_kept(path):
            raise OSError(KEPT)
        begun = path.stat().st_size if path.exists() else 0
        text = summary(judged, status, SUMMARY - begun - 1, utf8_size)
        with path.open("ab") as stream:
            stream.write(f"\n{text}".encode() if text else b"")
    except OSError as error:
        message = f"cannot write the job summary `{place}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from error
    if not text:
        click.echo(f"warning: ${NAME} holds as much as GitHub takes, so that no job summary is written", err=True)
