"""The whole history, proven against a signed head, before anything is destroyed for good.

A legal hold that someone took out of the database, or hid behind another type, must not let an erasure through. So
whoever destroys reads every entry's bytes, derives the root from them, and compares it with what the head signs.
That takes seconds for a million entries, and is done before the writer's lock is taken: under it only what came since
is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.entry import Entry, EntryType, parse_entry
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.holds import Holds
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.names import ENTRY

_PAGE = 1000
_HOLD = f'"type":"{EntryType.HOLD.value}"'.encode()


class History:
    """The entries read so far: the tree over their bytes, and the legal holds that they place and release.

    INVARIANT: nothing that it says is relied on before `confirm` has returned.
    """

    def __init__(self, on_entry: Callable[[int, Entry], None] | None = None) -> None:
        self.frontier = Frontier()
        self.holds = Holds()
        self._on_entry = on_entry

    def advance(self, connection: Connection) -> None:
        """Read the entries that came since.

        Raises:
            LedgerError: one is missing or malformed.
        """
        while True:
            start = self.frontier.size
            query = select(ENTRY.c.leaf_index, ENTRY.c.entry).where(ENTRY.c.leaf_index >= start)
            rows = connection.execute(query.order_by(ENTRY.c.leaf_index).limit(_PAGE)).all()
            for row in rows:
                self._read(row)
            if len(rows) < _PAGE:
                return

    def confirm(self, head: Frontier) -> None:
        """Compare what was read with the head, whose signature the caller has verified.

        Raises:
            LedgerError: the entries are not those that the head signs.
        """
        if self.frontier.to_bytes() != head.to_bytes():
            raise _tampered("the entries do not give the signed root")

    def _read(self, row: Any) -> None:
        index = self.frontier.size
        if row.leaf_index != index or not isinstance(row.entry, bytes):
            raise _tampered(f"the entry {index} is missing or malformed")
        self.frontier.append(leaf_hash(row.entry))
        # Parsing takes most of the time. The bytes are canonical, so that a hold's type stands in them just so.
        if self._on_entry is None and _HOLD not in row.entry:
            return
        entry = _parsed(index, row.entry)
        if entry.type == EntryType.HOLD:
            self.holds.read(index, entry)
        if self._on_entry is not None:
            self._on_entry(index, entry)


def parsed_entries(connection: Connection, size: int) -> Iterator[tuple[int, Entry]]:
    """Yield the first `size` entries; that they are those of the signed root is for `History` to say.

    Raises:
        LedgerError: one is malformed.
    """
    start = 0
    while start < size:
        query = select(ENTRY.c.leaf_index, ENTRY.c.entry).where(ENTRY.c.leaf_index >= start, ENTRY.c.leaf_index < size)
        rows = connection.execute(query.order_by(ENTRY.c.leaf_index).limit(_PAGE)).all()
        for row in rows:
            yield row.leaf_index, _parsed(row.leaf_index, row.entry)
        if len(rows) < _PAGE:
            return
        start = rows[-1].leaf_index + 1


def _parsed(index: int, raw: bytes) -> Entry:
    try:
        return parse_entry(raw)
    except CanonicalError as error:
        raise _tampered(f"the entry {index} is malformed: {error.message}") from error


def _tampered(reason: str) -> LedgerError:
    return LedgerError(
        f"nothing is destroyed in a ledger that does not verify: {reason}",
        code="ledger-tampered",
        help="run `policy audit verify`",
    )
