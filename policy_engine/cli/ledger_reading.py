"""What the commands that read the ledger share: open it read-only, write exact bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.officer_query import record_query
from policy_engine.cli.options import SCRATCH, choose_ledger, opened
from policy_engine.errors import InputError, Problem, RecordingError, UsageError
from policy_engine.whole_files import write_whole

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


@contextmanager
def reading(ctx: click.Context, url: str | None, key: Path | None, *, pinned: bool = True) -> Iterator[Ledger]:
    """Open the ledger of the settings for reading; none is ever made.

    Another one than the settings pin is refused, unless the caller compares the keys itself (`pinned`).

    Where the question is to be recorded it is on leaving, before anything is shown.

    Raises:
        RecordingError: it is not there, or is not a ledger.
    """
    choice = choose_ledger(ctx, url, key)
    choice = choice if pinned else replace(choice, pinned=None)
    if choice.scratch:
        message = f"`{SCRATCH}` holds nothing once the command that wrote it has ended"
        raise RecordingError(Problem("ledger-missing", message, help="name the ledger to read with --ledger"))
    try:
        with opened(choice, read_only=True) as ledger:
            yield ledger
        record_query(ctx, choice)
    except RecordingError as error:
        if error.code == "ledger-missing" and error.help is None:
            hint = "name one with --ledger; `policy evaluate` makes the default one"
            raise type(error)(Problem(error.code, error.problems[0].message, help=hint)) from error
        raise


def write_bytes(target: str, data: bytes) -> None:
    """Write `data` to a file, whole or not at all, or with `-` to standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    try:
        write_whole(path, data)
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InputError: it cannot be read, is too long or is not UTF-8.
    """
    try:
        return read_exact(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(Problem("file-unreadable", f"`{path}` is not text in UTF-8")) from None


def read_exact(path: Path) -> bytes:
    """Return a file's bytes, of which there may be four million at most."""
    from policy_audit.durable import read_given

    most = 4_000_000
    try:
        data = read_given(path, most)
    except OSError as error:
        message = f"cannot read `{path}`: {(error.strerror or str(error)).lower()}"
        raise InputError(Problem("file-unreadable", message)) from None
    if len(data) > most:
        raise InputError(Problem("file-unreadable", f"`{path}` has more than {most:,} bytes"))
    return data
