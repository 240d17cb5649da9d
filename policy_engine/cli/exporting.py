"""What the formats of `policy audit export` share: the table of formats, what is asked of one, and the entry it leaves.

A format is a module with `write(asked: Asked) -> Written`. It calls `asked.record(...)` once, when all is written but
what makes the export valid: an export that is not on record is not handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, opened
from policy_engine.errors import Problem, RecordingError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded

#: The name of each format, its module in `policy_engine.cli`, and what its target is.
FORMATS: Mapping[str, tuple[str, str]] = {
    "tlog": ("export_tlog", "the whole log in C2SP's tlog-tiles layout: checkpoint, tiles, entries"),
    "csv": ("export_tables", "the decisions for spreadsheets"),
    "jsonl": ("export_tables", "the same, exact, an object a line"),
    "parquet": ("export_tables", "the same, in typed columns"),
    "html": ("export_tables", "the same, to be read and printed"),
    "oscal": ("export_tables", "OSCAL 1.1.2 assessment results, plan and catalog"),
}
UNRECORDED = "--unrecorded was given: no entry of this export was made"


@dataclass(frozen=True)
class Asked:
    """What a format is to write.

    `record` takes the body of the entry of the type `export`; without `recorded` it makes none.
    """

    ledger: Ledger
    target: Path
    documents: bool
    progress: Callable[[int, int], None] | None
    record: Callable[[Mapping[str, Any]], Recorded | None]
    name: str = ""
    recorded: bool = True
    wanted: Mapping[str, Any] = field(default_factory=dict)
    """Of the formats that export decisions: the filters, and what comes with them."""


@dataclass(frozen=True)
class Written:
    """What a format wrote: for programs, and for people by name."""

    value: Mapping[str, Any]
    pairs: Sequence[tuple[str, str]]


def write_format(name: str, asked: Asked) -> Written:
    """Write `asked` in the format of this name."""
    written: Written = import_module(f"policy_engine.cli.{FORMATS[name][0]}").write(asked)
    return written


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
    from policy_audit.entry import Draft, EntryType

    from policy_engine.recorder import context_from_environment

    context = context_from_environment("export")

    def record(body: Mapping[str, Any]) -> Recorded:
        return ledger.append(
            Draft(
                EntryType.EXPORT,
                body={"format": name, **body},
                context={"actor_known_by": context.actor_known_by, **context.details},
                personal={**(persons or {}), **({"actor": context.actor} if context.actor else {})},
            )
        )

    return record
