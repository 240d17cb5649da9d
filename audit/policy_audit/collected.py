"""Which entries were collected from spools: their times are their runners', and not those of the ledger's clock.

The entry of the type `collection` that follows them says which they are, and its own time is when the ledger had them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from policy_audit.entry import EntryType, parse_entry
from policy_audit.errors import CanonicalError, VerificationError
from policy_audit.names import ENTRY


class CollectedSpan(NamedTuple):
    """The entries `first` to `last` were collected before the entry that says so."""

    first: int
    last: int


class CollectedSpans:
    """The entries of a ledger that were collected, by their indexes."""

    def __init__(self, spans: Iterable[CollectedSpan]) -> None:
        self._spans = sorted(spans)

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int):
            return False
        at = bisect_right(self._spans, (index, index)) - 1
        near = self._spans[max(at, 0) : at + 2]
        return any(span.first <= index <= span.last for span in near)


def read_spans(connection: Connection) -> CollectedSpans:
    """Read which entries were collected.

    Raises:
        VerificationError: an entry of a collection is malformed.
    """
    columns = select(ENTRY.c.leaf_index, ENTRY.c.entry).where(ENTRY.c.type == EntryType.COLLECTION.value)
    found = []
    # that is what the index on types holds
    for index, raw in connection.execute(columns.where(ENTRY.c.type != EntryType.DECISION.value)):
        try:
            span = span_of_body(index, parse_entry(raw).body)
        except (CanonicalError, TypeError) as error:
            raise VerificationError(f"the entry {index} is malformed", code="entry-changed") from error
        if span is not None:
            found.append(span)
    return CollectedSpans(found)


def span_of_body(index: int, body: Mapping[str, Any]) -> CollectedSpan | None:
    """Return what the collection at `index` says that it added; None where it added nothing, or says it otherwise."""
    entries = body.get("entries")
    if not isinstance(entries, dict):
        return None
    first, last = entries.get("first"), entries.get("last")
    # `type`, because true is an int to `isinstance`; it stands right after what it added
    if type(first) is not int or type(last) is not int or not 0 <= first <= last == index - 1:
        return None
    return CollectedSpan(first, last)
