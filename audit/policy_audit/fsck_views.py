"""Verify what decisions are asked by: the query columns, and the sets of tags, derived again from the entries."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Connection, func, select

from policy_audit.entry import Entry
from policy_audit.report import Step
from policy_audit.tables import DECISION, TAG, TAG_SET
from policy_audit.view import decision_row, tags_bytes

_MAX_KNOWN = 10_000


def page(
    connection: Connection, key: Column[int], last: int | None, end: int | None, limit: int | None = None
) -> Sequence[Any]:
    """Return the rows of the table of `key` whose key is above `last`, up to `end`, in order."""
    # The first page has no lower bound: a row may stand at the lowest index there is.
    query = select(key.table) if last is None else select(key.table).where(key > last)
    if end is not None:
        query = query.where(key <= end)
    return connection.execute(query.order_by(key).limit(limit)).all()


class ViewCheck:
    """One pass over the tables `decision`, `tag_set` and `tag`, page by page, beside that over the entries."""

    def __init__(self, connection: Connection, step: Step) -> None:
        self._connection, self._step = connection, step
        self._rows: dict[Any, Any] = {}
        self._sets: dict[Any, Any] = {}
        self._tags: dict[Any, set[tuple[Any, Any]]] = {}
        self._known: dict[int, Any] = {}

    def read_page(self, last: int | None, end: int | None) -> None:
        """Read the rows whose index is above `last`, up to `end`."""
        connection = self._connection
        self._rows = {row.leaf_index: row for row in page(connection, DECISION.c.leaf_index, last, end)}
        self._sets = {row.id: row.digest for row in page(connection, TAG_SET.c.id, last, end)}
        self._tags = {}
        for row in page(connection, TAG.c.tag_set, last, end):
            self._tags.setdefault(row.tag_set, set()).add((row.kind, row.value))

    def check(self, index: int, entry: Entry | None) -> None:
        """Compare an entry's row, and the set of tags that begins with it, with its bytes."""
        row = self._rows.pop(index, None)
        tags = tags_bytes(entry.tags) if entry else None
        digest = sha256(tags).digest() if tags else None
        tag_set = getattr(row, "tag_set", None)
        if index in self._sets or index in self._tags:
            self._check_new_set(index, entry, digest, tag_set)
        expected = decision_row(index, entry.type, entry.recorded_at, entry.view, tag_set) if entry else None
        found = dict(row._mapping) if row is not None else None
        if found is not None or expected is not None:
            self._step.checked += 1
        if found != expected:
            self._step.fail(f"the query columns of the entry {index} are not those of its bytes", index)
        elif (tag_set is not None and not self._has_digest(tag_set, index, digest)) or (tag_set is None and digest):
            self._step.fail(f"the tags of the entry {index} are not those of its bytes", index)

    def _check_new_set(self, index: int, entry: Entry | None, digest: bytes | None, tag_set: Any) -> None:
        stored, tags = self._sets.pop(index, None), self._tags.pop(index, set())
        expected = {(kind, value) for kind, values in (entry.tags if entry else {}).items() for value in values}
        if digest is None or stored != digest or tags != expected or tag_set != index:
            self._step.fail(f"the set of tags {index} is not that of the entry's bytes", index)
        else:
            self._remember(index, digest)

    def _has_digest(self, tag_set: Any, index: int, digest: bytes | None) -> bool:
        # A set begins with the first decision that has it: it cannot come from one after this one.
        if not isinstance(tag_set, int) or tag_set > index or digest is None:
            return False
        if tag_set not in self._known:
            query = select(TAG_SET.c.digest).where(TAG_SET.c.id == tag_set)
            self._remember(tag_set, self._connection.execute(query).scalar_one_or_none())
        return bool(self._known[tag_set] == digest)

    def _remember(self, tag_set: int, digest: Any) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[tag_set] = digest

    def end_page(self) -> None:
        """Report the rows of this page that no entry has."""
        for index in self._rows:
            self._step.fail("a row of `decision` belongs to no entry", number(index))
        for index in self._sets.keys() | self._tags.keys():
            self._step.fail("a set of tags belongs to no entry", number(index))

    def end(self) -> None:
        """Report sets that are stored twice: a decision must have the first one."""
        counts = select(func.count(), func.count(TAG_SET.c.digest.distinct()))
        found, distinct = self._connection.execute(counts).one()
        if found != distinct:
            self._step.fail("a set of tags is stored twice")


def number(index: object) -> int | None:
    """Return an index as it can be reported: SQLite lets a key of a table be anything in a damaged file."""
    return index if isinstance(index, int) else None
