"""One pass over a whole ledger that compares what it is asked by with its entries, for who hands a selection out.

A selection is made by query columns, and what they leave out is not seen. So every decision's columns and tags are
derived again beforehand: a row that was forged, taken out or put in anywhere refuses the whole, and so does a schema
that is not the ledger's, in which an index or an operator can hide rows that are all there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from policy_audit.entry import Entry, parse_entry
from policy_audit.errors import CanonicalError, VerificationError
from policy_audit.fsck_personal import PersonalCheck, by_index_and_name
from policy_audit.fsck_views import ViewCheck, page
from policy_audit.merkle import leaf_hash
from policy_audit.report import Step
from policy_audit.schema import differences
from policy_audit.tables import ENTRY, PERSONAL
from policy_audit.vault import Vault

_PAGE = 1000
_VERIFY = "run `policy audit verify`"
Progress = Callable[[int, int], None]


def compared_leaves(
    connection: Connection, size: int, vault: Vault | None = None, progress: Progress | None = None
) -> Iterator[bytes]:
    """Yield the leaf hash of each of the first `size` entries, derived from its bytes, once its columns were compared.

    With the `vault`, persons are compared too, which what belongs to a person is found by.
    The caller compares the leaves with a signed root: before that nothing is shown.

    Raises:
        VerificationError: an entry is missing, or what follows from one is not what is stored; it names the entry.
    """
    for problem in (problem for part in differences(connection) for problem in part):
        raise VerificationError(f"the schema is not the ledger's: {problem}", code="schema-changed", help=_VERIFY)
    comparison = _Comparison(connection, vault)
    held = int(connection.execute(select(func.count()).select_from(ENTRY)).scalar_one())
    # what is missing of a person may have been destroyed by an entry that comes later
    end = held if vault is not None else size
    last: int | None = None
    index = 0
    while index < end:
        rows = page(connection, ENTRY.c.leaf_index, last, end - 1, limit=_PAGE)
        _refuse_gap(rows, index)
        index += len(rows)
        # rows of no entry may stand behind the last one
        comparison.read(last, None if index == held else rows[-1].leaf_index)
        for row in rows:
            comparison.check(row.leaf_index, _entry(row))
            if row.leaf_index < size:
                yield leaf_hash(row.entry)
        comparison.end_page()
        last = rows[-1].leaf_index
        if progress is not None:
            progress(index, end)
    comparison.end()


class _Comparison:
    """What one pass compares. INVARIANT: the first problem of a page ends it, before the next is read."""

    def __init__(self, connection: Connection, vault: Vault | None) -> None:
        self._connection = connection
        self._steps = view, personal = Step(1, "view", ""), Step(2, "personal", "")
        self._views = ViewCheck(connection, view)
        self._persons = PersonalCheck(connection, personal, vault) if vault is not None else None
        self._rows: dict[Any, dict[Any, Any]] = {}
        if self._persons is not None:
            self._persons.read_keys()

    def read(self, last: int | None, end: int | None) -> None:
        self._views.read_page(last, end)
        if self._persons is not None:
            self._rows = by_index_and_name(page(self._connection, PERSONAL.c.leaf_index, last, end))

    def check(self, index: int, entry: Entry) -> None:
        self._views.check(index, entry)
        if self._persons is not None:
            self._persons.check(index, entry, self._rows.pop(index, {}))
        self._refuse()

    def end_page(self) -> None:
        self._views.end_page()
        for index in self._rows:
            self._steps[1].fail(f"a personal value belongs to no entry: {index!a:.20}")
        self._refuse()

    def end(self) -> None:
        self._views.end()
        if self._persons is not None:
            self._persons.finish()
        self._refuse()

    def _refuse(self) -> None:
        for step in self._steps:
            if step.first_problem is None:
                continue
            at = step.first_index
            where = "" if at is None or str(at) in step.first_problem else f" (entry {at})"
            raise VerificationError(f"{step.first_problem}{where}", code="view-changed", help=_VERIFY)


def _refuse_gap(rows: Sequence[Any], index: int) -> None:
    for number, row in enumerate(rows, start=index):
        if row.leaf_index != number:
            raise _changed(f"the entry {number} is missing")
    if not rows:
        raise _changed(f"the entry {index} is missing")


def _entry(row: Any) -> Entry:
    try:
        entry = parse_entry(row.entry if isinstance(row.entry, bytes) else b"")
    except CanonicalError as error:
        raise _changed(f"the entry {row.leaf_index} is malformed: {error.message}") from error
    if leaf_hash(row.entry) != row.leaf_hash:
        raise _changed(f"the entry {row.leaf_index} does not have its leaf hash")
    if (entry.type, entry.recorded_at) != (row.type, row.recorded_at):
        # what is not listed as what it is, is not found
        message = f"the columns of the entry {row.leaf_index} are not those of its bytes"
        raise VerificationError(message, code="columns-changed", help=_VERIFY)
    return entry


def _changed(reason: str) -> VerificationError:
    return VerificationError(f"the ledger is not what it signed: {reason}", code="tree-changed", help=_VERIFY)
