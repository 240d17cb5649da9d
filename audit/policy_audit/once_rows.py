"""The table `once`: requests that were asked before, answered from their entries, and forgotten after a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy_audit.asking import Ask, Row, ask_all, ask_one, asks_in
from policy_audit.entry import parse_entry
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.groups import Answer, Asked, Recorded
from policy_audit.merkle import leaf_hash
from policy_audit.once_sealed import SealedOnce, is_committed, said_once

MOST_FORGOTTEN = 5_000
"""So many rows are deleted by one commit at most: whoever waits for it is not to wait for a day's rows."""


def once_row(index: int, once: SealedOnce, recorded_at: str) -> Row:
    """Return the row of the entry at `index`."""
    return index, once.key, once.request, once.salt, once.entries, recorded_at


def requests(rows: Iterable[Row], expired: str) -> tuple[dict[str, Asked], list[int]]:
    """Return the requests on record by key, and the indexes of those recorded up to `expired`: they no longer count."""
    found, old = {}, []
    for index, key, request, salt, entries, recorded_at in rows:
        if isinstance(recorded_at, str) and recorded_at <= expired:
            old.append(index)
        else:
            found[key] = Asked(index, request, salt, entries, recorded_at)
    return found, old


def forget(connection: Connection, indexes: Sequence[int]) -> None:
    """Delete the rows of `indexes`, which are recorded so long ago that they no longer count.

    The commit records an entry later than all of them by a day, by which `verify` knows that they may be gone.
    """
    ask_all(connection, asks_in("DELETE FROM once WHERE leaf_index", indexes))


def try_forget(connection: Connection, expired: str) -> bool:
    """Delete the oldest rows recorded up to `expired`; say whether some stay that could be deleted.

    What is old is in nobody's way: where the database refuses this, to a user who was granted no such right, say, the
    entries are recorded all the same.
    """
    oldest = f"SELECT leaf_index FROM once ORDER BY leaf_index LIMIT {MOST_FORGOTTEN}"  # noqa: S608
    statement = f"DELETE FROM once WHERE leaf_index IN ({oldest}) AND recorded_at <= ?"  # noqa: S608
    ask_all(connection, [Ask("SAVEPOINT forgetting")])
    try:
        deleted = ask_all(connection, [Ask(statement, (expired,))])[0].affected
    except DBAPIError:
        ask_all(connection, [Ask("ROLLBACK TO SAVEPOINT forgetting"), Ask("RELEASE SAVEPOINT forgetting")])
        return False
    ask_all(connection, [Ask("RELEASE SAVEPOINT forgetting")])
    return deleted >= MOST_FORGOTTEN


def answered(connection: Connection, key: str, asked: Asked) -> Answer:
    """Return where the entries stand that were recorded for a request, or why that cannot be told."""
    entry = ask_one(connection, "SELECT entry, leaf_hash FROM log_entry WHERE leaf_index = ?", asked.first)
    if not _is_of(entry, key, asked):  # whose columns may hold anything, until then
        return _changed(asked)
    end = asked.first + asked.entries
    leaves, sizes = ask_all(
        connection,
        [
            Ask(
                "SELECT leaf_index, leaf_hash, recorded_at FROM log_entry WHERE leaf_index >= ? AND leaf_index < ? "
                "ORDER BY leaf_index",
                (asked.first, end),
            ),
            Ask("SELECT min(size) FROM log_checkpoint WHERE size >= ?", (end,)),
        ],
    )
    size = sizes.rows[0][0]
    if len(leaves.rows) != asked.entries or size is None:
        return _changed(asked)
    return [Recorded(index, bytes(leaf).hex(), size, at, True) for index, leaf, at in leaves.rows]


def _changed(asked: Asked) -> LedgerError:
    return LedgerError(
        f"what was recorded for the request is not the entry {asked.first}",
        code="ledger-tampered",
        help="run `policy audit verify`",
    )


def _is_of(rows: Sequence[Row], key: str, asked: Asked) -> bool:
    if not rows or not isinstance(rows[0][0], bytes) or leaf_hash(rows[0][0]) != rows[0][1]:
        return False
    try:
        entry = parse_entry(rows[0][0])
    except CanonicalError:
        return False
    said = said_once(entry.context)
    if said is None or said[1] != asked.entries or entry.recorded_at != asked.recorded_at:
        return False
    return is_committed(said[0], key, asked.request, asked.salt)
