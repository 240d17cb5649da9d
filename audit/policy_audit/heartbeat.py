"""Heartbeats: entries that say that a ledger is watched, so that a log which was switched off shows a gap.

And the gaps: periods without an entry, with what else breaks a log's even course, for a report to list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from policy_audit.collected import read_spans
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import VerificationError
from policy_audit.names import ENTRY
from policy_audit.records import StoredEntry

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from policy_audit.ledger import Ledger

ON, OFF, BEAT = "on", "off", "beat"
_STATES = (ON, OFF, BEAT)
_MARKS = (EntryType.HEARTBEAT.value, EntryType.RESTORE.value, EntryType.KEY_ROTATION.value)


def heartbeat(state: str, every: float | None = None) -> Draft:
    """Return the entry that says that watching begins, ends or goes on; `every` are the seconds between two beats."""
    if state not in _STATES:
        raise ValueError(state)
    body: dict[str, Any] = {"state": state}
    if every is not None:
        body["every_seconds"] = str(every)
    return Draft(EntryType.HEARTBEAT, body=body)


@dataclass(frozen=True, slots=True)
class Gap:
    """What breaks a log's even course.

    `kind` is `silence` (no entry from `since` to `until`, which is longer than asked for; `off` tells that watching had
    ended), `unclean` (watching began anew and had not ended), `restore` or `rotation`. `after` and `before` are the
    indexes of the entries on both sides, None where there is none yet.
    """

    kind: str
    since: str
    until: str
    after: int | None
    before: int | None
    off: bool = False


def gaps(ledger: Ledger, longest: timedelta, *, until: datetime | None = None) -> list[Gap]:
    """List the periods without any entry that are longer than `longest`, restores and rotations, in order.

    The time from the last entry on counts too, up to `until`, by default now. Times are as recorded: by a clock that
    nobody vouches for but the anchors. A ledger without heartbeats is silent whenever nothing is decided.

    Raises:
        VerificationError: an entry's columns or bytes are not what was recorded.
    """
    end = until or datetime.now(UTC)
    with ledger.snapshot() as connection:
        return course(_rows(connection), lambda index: _mark(connection, index), longest, end)


def course(
    rows: Iterable[tuple[int, str, str]], entry: Callable[[int], StoredEntry], longest: timedelta, end: datetime
) -> list[Gap]:
    """List the gaps of entries as `gaps` does, from index, type and time of each in order; `entry` reads one."""
    found: list[Gap] = []
    previous: tuple[int, str] | None = None
    state: str | None = None
    for index, kind, recorded_at in rows:
        if previous is not None and _longer(previous[1], recorded_at, longest):
            found.append(Gap("silence", previous[1], recorded_at, previous[0], index, state == OFF))
        if kind in _MARKS:
            gap, state = _of_mark(entry(index), state, previous)
            found += [gap] if gap else []
        previous = index, recorded_at
    last = _text(end.astimezone(UTC))
    if previous is not None and _longer(previous[1], last, longest):
        found.append(Gap("silence", previous[1], last, previous[0], None, state == OFF))
    return found


def _of_mark(entry: StoredEntry, state: str | None, previous: tuple[int, str] | None) -> tuple[Gap | None, str | None]:
    """Return what an entry that is no everyday one breaks, and whether the ledger is watched after it."""
    document = entry.document
    after, since = previous or (None, entry.recorded_at)
    if document["type"] == EntryType.HEARTBEAT:
        now = document["body"].get("state")
        unclean = now == ON and state in (ON, BEAT)
        gap = Gap("unclean", since, entry.recorded_at, after, entry.index) if unclean else None
        return gap, now if now in _STATES else state
    names = {EntryType.RESTORE.value: "restore", EntryType.KEY_ROTATION.value: "rotation"}
    kind = names.get(document["type"])
    return (Gap(kind, since, entry.recorded_at, after, entry.index) if kind else None), state


def _rows(connection: Connection) -> Iterator[tuple[int, str, str]]:
    collected = read_spans(connection)
    columns = select(ENTRY.c.leaf_index, ENTRY.c.type, ENTRY.c.recorded_at).order_by(ENTRY.c.leaf_index)
    for index, kind, recorded_at in connection.execute(columns.execution_options(yield_per=5000)):
        if not isinstance(kind, str) or not isinstance(recorded_at, str):
            raise VerificationError(f"the columns of the entry {index} were changed", code="columns-changed")
        if index not in collected:  # which has its runner's time; its collection has the ledger's
            yield index, kind, recorded_at


def _mark(connection: Connection, index: int) -> StoredEntry:
    from policy_audit.reading import read_entry

    return read_entry(connection, index)


def _longer(since: str, until: str, longest: timedelta) -> bool:
    try:
        return datetime.fromisoformat(until) - datetime.fromisoformat(since) > longest
    except (ValueError, TypeError) as error:
        raise VerificationError("a time of recording was changed", code="columns-changed") from error


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
