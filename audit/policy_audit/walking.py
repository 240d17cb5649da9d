"""All entries in their order, a page at a time: what a ledger holds may not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.errors import VerificationError
from policy_audit.reading import stored_entry
from policy_audit.records import StoredEntry
from policy_audit.tables import ENTRY

PAGE = 100


def entry_rows(connection: Connection, after: int | None) -> Sequence[Any]:
    """Return the rows of the next entries, `PAGE` at most, from the index `after` on (None: from the lowest)."""
    query = select(ENTRY).order_by(ENTRY.c.leaf_index).limit(PAGE)
    return connection.execute(query if after is None else query.where(ENTRY.c.leaf_index > after)).all()


def next_entries(connection: Connection, after: int | None) -> list[StoredEntry]:
    """Return the next entries, each checked.

    Raises:
        VerificationError: one was changed, or one is missing before another.
    """
    found = [stored_entry(row) for row in entry_rows(connection, after)]
    for number, each in enumerate(found, start=0 if after is None else after + 1):
        if each.index != number:
            raise VerificationError(f"the entry {number} is missing", code="entry-changed", help="verify the ledger")
    return found
