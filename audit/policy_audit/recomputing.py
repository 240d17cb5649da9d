"""Step `recompute` of a verification: every decision is derived again, by whoever knows how.

The ledger knows no workloads, so the caller hands in what derives one decision again. It is asked inside the
verification's own transaction, on the bytes that the other steps saw; that the column `type`, by which entries are
found, is that of the bytes, is for the step `entries` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from policy_audit.entry import EntryType, parse_entry
from policy_audit.errors import AuditError
from policy_audit.reading import read_blob, read_checkpoint, read_entries, read_entry, stored_entry
from policy_audit.records import StoredEntry
from policy_audit.report import Step, VerificationReport
from policy_audit.tables import ENTRY
from policy_audit.walking import entry_rows

STEP = ("recompute", "every decision follows from its recorded inputs, rules and catalog")


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came of deriving one decision again.

    `same`: the recorded bytes. `apart`: it cannot be derived again, lawfully, and `why` names the kind to count it
    under. `failed`: it does not follow from what is recorded, or nobody can tell, for the reason `why`.
    """

    outcome: Literal["same", "apart", "failed"]
    why: str = ""


class Seen:
    """What a verification sees of the ledger beside the entry that it asks about."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def blob(self, digest: str) -> bytes:
        return read_blob(self._connection, digest)

    def entry(self, index: int) -> StoredEntry:
        return read_entry(self._connection, index)

    def list_entries(self, *, type: EntryType | str, newest_first: bool) -> list[StoredEntry]:  # noqa: A002
        return read_entries(
            self._connection, entry_type=str(type), since=None, until=None, limit=None, newest_first=newest_first
        )

    def checkpoint(self) -> str:
        return read_checkpoint(self._connection)


#: Derives the decision of an entry again, from what the second argument gives of the ledger.
Recompute = Callable[[StoredEntry, Seen], Recomputed]
Progress = Callable[[int, int], None]


def recompute_decisions(
    connection: Connection, report: VerificationReport, recompute: Recompute, progress: Progress | None = None
) -> Step:
    """Add the step to `report`, after its others, and ask `recompute` for the entry of every decision."""
    step = Step(len(report.steps) + 1, *STEP)
    report.steps.append(step)
    schema = report.step("schema")
    if schema.problems and not report.step("entries").done:
        return step  # the tables cannot be read, as the first step says
    total = connection.execute(select(func.count()).select_from(ENTRY)).scalar_one()
    seen = Seen(connection)
    for done, row in enumerate(_rows(connection), start=1):
        _recompute(seen, row, step, recompute)
        if progress is not None:
            progress(done, total)
    step.done = True
    return step


def _recompute(seen: Seen, row: Any, step: Step, recompute: Recompute) -> None:
    try:
        entry = stored_entry(row)
        # what counts is the entry's bytes, and not the column beside them
        if parse_entry(entry.raw).type != EntryType.DECISION:
            return
        step.checked += 1
        found = recompute(entry, seen)
    except AuditError as error:
        step.fail(f"the entry {row.leaf_index} cannot be read: {error.message}", _number(row.leaf_index))
        return
    if found.outcome == "apart":
        step.apart[found.why] = step.apart.get(found.why, 0) + 1
    elif found.outcome != "same":
        step.fail(f"the decision of the entry {entry.index} {found.why}", entry.index)


def _rows(connection: Connection) -> Iterator[Any]:
    last: int | None = None
    while rows := entry_rows(connection, last):
        yield from rows
        last = rows[-1].leaf_index


def _number(index: object) -> int | None:
    return index if isinstance(index, int) else None
