"""Times as places in the tree: which entries were on record at a time, and which a period holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from policy_audit.checkpoint import parse_checkpoint
from policy_audit.collected import read_spans
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.tables import CHECKPOINT, ENTRY
from policy_audit.view import instant

Span = tuple[int, int]
_PART = 500


def size_at(connection: Connection, moment: datetime | str) -> int:
    """Return the size of the tree at a time: up to the entry that was recorded last, at that time or before.

    Times are the recording clock's. Where it ran backwards, the entry with the latest time of those counts, and all
    before it in the tree. What was collected from spools has its runners' times, and came with its collection.
    """
    column, collected = ENTRY.c.leaf_index, read_spans(connection)
    query = select(column).where(ENTRY.c.recorded_at <= instant(moment))
    ordered = query.order_by(ENTRY.c.recorded_at.desc(), column.desc()).execution_options(yield_per=_PART)
    with connection.execute(ordered) as rows:
        last = next((index for index in rows.scalars() if index not in collected), None)
    return 0 if last is None else int(last) + 1


def note_of_size(connection: Connection, size: int) -> str:
    """Return the signed checkpoint of the tree of this size.

    Raises:
        LedgerError: `checkpoint-missing`: no commit ended there, or the checkpoint was taken away.
        VerificationError: it is not what stands beside it.
    """
    note = connection.execute(select(CHECKPOINT.c.note).where(CHECKPOINT.c.size == size)).scalar_one_or_none()
    if note is None:
        before = select(func.max(CHECKPOINT.c.size)).where(CHECKPOINT.c.size < size)
        after = select(func.min(CHECKPOINT.c.size)).where(CHECKPOINT.c.size > size)
        near = [connection.execute(query).scalar() for query in (before, after)]
        sizes = " and ".join(f"{each:,}" for each in near if each is not None)
        message = f"the ledger has no checkpoint of {size:,} entries"
        raise LedgerError(message, code="checkpoint-missing", help=f"the nearest are of {sizes}" if sizes else None)
    if not isinstance(note, str) or parse_checkpoint(note).size != size:
        raise VerificationError(f"the checkpoint of size {size} was changed", code="tree-changed")
    return note


def span_of(
    connection: Connection, size: int, since: datetime | str | None, until: datetime | str | None
) -> tuple[Span, bool]:
    """Return the indexes that a period lies in, and whether the period is exactly these.

    It is not where the recording clock ran backwards; then the times of the entries have to be compared.
    """
    low, high, exact = 0, size, True
    if since is not None:
        low, sure = _first_at(connection, size, instant(since))
        exact = exact and sure
        low = low if sure else 0
    if until is not None:
        found, sure = _first_at(connection, size, instant(until))
        exact = exact and sure
        high = found if sure else size
    return (low, max(low, high)), exact


def _first_at(connection: Connection, size: int, moment: str) -> tuple[int, bool]:
    """Return the index of the first entry at a time or later, and whether all before it are earlier, and no other.

    INVARIANT: that is proven by counting on the side that has fewer entries, in the index on times alone.
    """
    index, time = ENTRY.c.leaf_index, ENTRY.c.recorded_at
    query = select(index).where(time >= moment, index + 0 < size).order_by(time, index).limit(1)
    found = connection.execute(query).scalar()
    first = size if found is None else int(found)
    if size - first <= first:
        later = select(func.count(), func.min(index)).where(time >= moment, index + 0 < size)
        count, lowest = connection.execute(later).one()
        return first, count == size - first and (count == 0 or lowest == first)
    earlier = select(func.count(), func.max(index)).where(time < moment, index + 0 < size)
    count, highest = connection.execute(earlier).one()
    return first, count == first and (count == 0 or highest == first - 1)
