"""Rows that are shown, compared with their entries' bytes: a forged column is a failure, and not an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.entry import parse_entry
from policy_audit.errors import CanonicalError, LedgerError, VerificationError
from policy_audit.reading import stored_decision, stored_entry
from policy_audit.records import CheckedDecision, StoredDecision, StoredEntry
from policy_audit.tables import ENTRY, TAG, TAG_SET
from policy_audit.view import decision_row, tags_bytes

__all__ = ["checked", "checked_entries", "stored_decision"]

_PART = 500
_VERIFY = "run `policy audit verify`"


def checked(connection: Connection, rows: Sequence[StoredDecision]) -> list[CheckedDecision]:
    """Return `rows` with their entries, each compared with what its entry's bytes say.

    Rows that a forged column kept from being found are not seen here: verification finds them.

    Raises:
        VerificationError: a row or its set of tags is not what follows from the entry, or the entry was changed.
        LedgerError: `entry-missing`: there is no such entry.
    """
    found: list[CheckedDecision] = []
    for start in range(0, len(rows), _PART):
        part = rows[start : start + _PART]
        entries = _entries(connection, [row.index for row in part])
        sets = _sets(connection, {row.tag_set for row in part if row.tag_set is not None})
        found += [_checked(row, entries.get(row.index), sets) for row in part]
    return found


def checked_entries(stored: Sequence[StoredEntry]) -> Iterator[StoredEntry]:
    """Yield entries whose columns are those of their bytes.

    Raises:
        VerificationError: they are not.
    """
    for entry in stored:
        document = entry.document
        if (document["type"], document["recorded_at"]) != (entry.type, entry.recorded_at):
            message = f"the columns of the entry {entry.index} are not those of its bytes"
            raise VerificationError(message, code="columns-changed", help=_VERIFY)
        yield entry


def _checked(row: StoredDecision, stored: StoredEntry | None, sets: dict[int, Any]) -> CheckedDecision:
    if stored is None:
        message = f"the entry {row.index}, which the query columns name, is missing"
        raise LedgerError(message, code="entry-missing", help=f"the ledger is damaged: {_VERIFY}")
    try:
        entry = parse_entry(stored.raw)
    except CanonicalError as error:
        message = f"the entry {row.index} is malformed: {error.message}"
        raise VerificationError(message, code="entry-changed") from error
    expected = decision_row(row.index, entry.type, entry.recorded_at, entry.view, row.tag_set)
    found = {name: getattr(row, "index" if name == "leaf_index" else name) for name in expected or ()}
    tags = tags_bytes(entry.tags)
    if expected is None or found != expected:
        message = f"the query columns of the entry {row.index} are not those of its bytes"
        raise VerificationError(message, code="view-changed", help=_VERIFY)
    if (sha256(tags).digest() if tags else None) != (sets.get(row.tag_set) if row.tag_set is not None else None):
        message = f"the tags of the entry {row.index} are not those of its bytes"
        raise VerificationError(message, code="view-changed", help=_VERIFY)
    return CheckedDecision(row, stored, entry)


def _entries(connection: Connection, indexes: Sequence[int]) -> dict[int, StoredEntry]:
    query = select(ENTRY).where(ENTRY.c.leaf_index.in_(indexes))
    return {row.leaf_index: stored_entry(row) for row in connection.execute(query)}


def _sets(connection: Connection, wanted: set[int]) -> dict[int, Any]:
    """Return the digest of each set of tags, derived from the tags themselves; one that is not what it says is absent.

    So a tag that was added to a set or taken out of it is seen, too.
    """
    digests = connection.execute(select(TAG_SET.c.id, TAG_SET.c.digest).where(TAG_SET.c.id.in_(wanted))).all()
    tags: dict[int, dict[str, list[str]]] = {}
    query = select(TAG).where(TAG.c.tag_set.in_(wanted))
    for row in connection.execute(query):
        if isinstance(row.kind, str) and isinstance(row.value, str):
            tags.setdefault(row.tag_set, {}).setdefault(row.kind, []).append(row.value)
    found = {}
    for row in digests:
        ordered = {kind: sorted(values) for kind, values in tags.get(row.id, {}).items()}
        try:
            data = tags_bytes(ordered)
        except (CanonicalError, UnicodeError):
            data = None
        if data is not None and sha256(data).digest() == row.digest:
            found[row.id] = row.digest
    return found
