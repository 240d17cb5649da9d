"""What the formats of an export share: the table of formats, what is asked of one, and the entry it leaves.

A format is a module with `write(asked: Asked) -> Written`. It calls `asked.record(...)` once, when all is written but
what makes the export valid: an export that is not on record is not handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policy_audit.entry import Draft
    from policy_audit.ledger import Ledger, Recorded

    from policy_engine.recorder import Context

#: The name of each format, its module in `policy_engine.asking`, and what its target is.
FORMATS: Mapping[str, tuple[str, str]] = {
    "tlog": ("export_tlog", "the whole log in C2SP's tlog-tiles layout: checkpoint, tiles, entries"),
    "csv": ("export_tables", "the decisions for spreadsheets"),
    "jsonl": ("export_tables", "the same, exact, an object a line"),
    "parquet": ("export_tables", "the same, in typed columns"),
    "html": ("export_tables", "the same, to be read and printed"),
    "oscal": ("export_tables", "OSCAL 1.1.2 assessment results, plan and catalog"),
}


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
    written: Written = import_module(f"policy_engine.asking.{FORMATS[name][0]}").write(asked)
    return written


def export_draft(name: str, body: Mapping[str, Any], by: Context, persons: Mapping[str, str] | None = None) -> Draft:
    """Return the entry of an export in the format `name`: who, when, what; `persons` whom it is about."""
    from policy_audit.entry import Draft, EntryType

    return Draft(
        EntryType.EXPORT,
        body={"format": name, **body},
        context={"actor_known_by": by.actor_known_by, **by.details},
        personal={**(persons or {}), **({"actor": by.actor} if by.actor else {})},
    )
