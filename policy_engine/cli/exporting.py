"""What `policy audit export` and `policy audit report --export` share: the ledger, and the entry that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, opened
from policy_engine.errors import Problem, RecordingError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded

UNRECORDED = "--unrecorded was given: no entry of this export was made"


@contextmanager
def exporting(ctx: click.Context, url: str | None, key: Path | None, unrecorded: bool) -> Iterator[Ledger]:
    """Open the ledger so that the export can be put on record, or for reading where it is not to be.

    Raises:
        RecordingError: it is not there, or cannot be opened with its key.
    """
    # INVARIANT: exporting never makes a ledger, so that it is opened for reading first.
    with reading(ctx, url, key) as ledger:
        if unrecorded:
            yield ledger
            return
    try:
        with opened(choose_ledger(ctx, url, key)) as ledger:
            yield ledger
    except RecordingError as error:
        if not error.code.startswith("signing-key") and error.code != "ledger-read-only":
            raise
        hint = "every export leaves an entry, which takes the signing key; --unrecorded exports without one"
        raise RecordingError(Problem(error.code, error.problems[0].message, help=hint)) from error


def recorder(
    ledger: Ledger, name: str, persons: Mapping[str, str] | None = None
) -> Callable[[Mapping[str, Any]], Recorded]:
    """Return what puts an export of the format `name` on record: who, when, what; `persons` whom it is about."""
    from policy_engine.asking.exporting import export_draft
    from policy_engine.recorder import context_from_environment

    context = context_from_environment("export")
    return lambda body: ledger.append(export_draft(name, body, context, persons))
