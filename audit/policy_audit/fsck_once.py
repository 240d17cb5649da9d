"""Verify what makes a request the same: the rows of `once`, which are kept for a day, against the entries.

A row is missing without a finding only where an entry after its own was recorded 24 hours later or more: the commit
that deletes a row records such an entry. No clock is asked, and a row that is still there is held to its entry for
ever.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from sqlalchemy import Connection

from policy_audit.entry import Entry
from policy_audit.fsck_views import number, page
from policy_audit.once_sealed import CONTEXT, expired_by, is_committed, said_once
from policy_audit.report import Step
from policy_audit.tables import ONCE


class OnceCheck:
    """One pass over the table, page by page, beside that over the entries. In memory: what is missing, for a day."""

    def __init__(self, connection: Connection, step: Step) -> None:
        self._connection, self._step = connection, step
        self._rows: dict[Any, Any] = {}
        self._missing: list[tuple[str, int]] = []
        self._moment = ""

    def read_page(self, last: int | None, end: int | None) -> None:
        """Read the rows whose index is above `last`, up to `end`."""
        self._rows = {row.leaf_index: row for row in page(self._connection, ONCE.c.leaf_index, last, end)}

    def check(self, index: int, entry: Entry | None) -> None:
        """Compare an entry's row with its bytes, and let it excuse what was recorded a day before it."""
        row = self._rows.pop(index, None)
        if entry is not None and entry.recorded_at != self._moment:
            self._moment = entry.recorded_at
            expired = expired_by(self._moment)
            while self._missing and self._missing[0][0] <= expired:
                heappop(self._missing)
        said = said_once(entry.context) if entry is not None else None
        if entry is not None and CONTEXT in entry.context and said is None:
            self._step.fail(f"what the entry {index} says of its request has no form that it can have", index)
        if row is not None:
            self._check_row(index, entry, said, row)
        elif said is not None and entry is not None:
            heappush(self._missing, (entry.recorded_at, index))

    def end_page(self) -> None:
        """Report the rows of this page that no entry has."""
        for index in self._rows:
            self._step.fail("a row of `once` belongs to no entry", number(index))

    def end(self) -> None:
        """Report what is missing before its time."""
        for _, index in sorted(self._missing, key=lambda each: each[1]):
            self._step.fail(f"what makes the request of the entry {index} the same is missing within a day", index)

    def _check_row(self, index: int, entry: Entry | None, said: tuple[str, int] | None, row: Any) -> None:
        self._step.checked += 1
        fits = (
            entry is not None
            and said is not None
            and (row.entries, row.recorded_at) == (said[1], entry.recorded_at)
            and is_committed(said[0], row.request_key, row.request, row.salt)
        )
        if not fits:
            self._step.fail(f"what makes the request of the entry {index} the same is not what it commits to", index)
