"""Disposing of what neither a retention period nor a legal hold covers any more, on record.

What goes: the personal values of the entries that are due, the keys of persons of whom nothing else is held, and the
documents that no retained entry names. What stays: the entries' bytes, which the tree needs, and which hold no
personal values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select

from policy_audit.changing import By, Change, commit, writer
from policy_audit.entry import Draft, EntryType
from policy_audit.erasing import Field, delete_fields, split
from policy_audit.history import History
from policy_audit.holding import Covered, coverage
from policy_audit.names import BLOB, PERSONAL, SUBJECT_KEY
from policy_audit.retention import Retention
from policy_audit.survey import RegulationsOf, Survey
from policy_audit.view import instant
from policy_audit.words import check_words

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.vault import Vault

_PART = 500


@dataclass(frozen=True)
class Due:
    """What a survey found: values and documents that are due, and what covers the other entries, and how many.

    Every entry is counted once: `entries` is the sum of `covered`, of `kept` (by legal holds alone), of `due_entries`
    and of `gone` (past every period, and nothing of it is held any more). `held` counts what each hold alone, or with
    others, keeps; `scopes` all that the active ones cover, by the index of their entry; `unknown` the decisions under
    each regulation that no period is for, which are kept without end.
    """

    entries: int
    values: tuple[Field, ...]
    documents: tuple[str, ...]
    covered: dict[str, int]
    held: dict[str, int]
    next_due: str | None
    kept: int
    due_entries: int
    gone: int
    unknown: dict[str, int]
    scopes: dict[int, Covered]


@dataclass(frozen=True)
class Disposal:
    """What was disposed of, and the indexes of the entries that say so; `overwritten` as with an erasure."""

    values: tuple[Field, ...]
    documents: tuple[str, ...]
    entries: tuple[int, ...] = ()
    overwritten: bool = True


def survey(
    ledger: Ledger, retention: Retention, regulations_of: RegulationsOf, *, before: datetime | str | None = None
) -> Due:
    """Return what is due now, of entries recorded before `before`; nothing is changed.

    `regulations_of` reads the regulations out of a workload document, None where it cannot.
    """
    with ledger._database.read() as connection:
        return survey_in(connection, ledger._vault, retention, regulations_of, ledger._clock(), before=before)[1]


def survey_in(
    connection: Connection,
    vault: Vault,
    retention: Retention,
    regulations_of: RegulationsOf,
    now: datetime,
    *,
    before: datetime | str | None = None,
) -> tuple[History, Due]:
    """Return what is due at `now` of what one transaction sees, and the history, which nobody has confirmed yet."""
    found = Survey(retention, regulations_of, now, instant(before) if before is not None else None)
    history = History(found.on_entry)
    history.advance(connection)
    found.resolve(connection)
    found.apply(connection, vault, history.holds.active)
    values = [field for part in _parts(_fields(found)) for field in _held_values(connection, part)]
    documents = [digest for part in _parts(found.documents()) for digest in _held_documents(connection, part)]
    free = set(documents)
    left = {index for index, _ in values} | {i for i, each in found.due.items() if set(each.documents) & free}
    due = Due(
        found.entries,
        tuple(values),
        tuple(documents),
        dict(found.covered),
        {name: count for name, count in found.held.items() if count},
        instant(found.next_due) if found.next_due is not None else None,
        found.kept,
        len(left),
        len(found.due) - len(left),
        dict(found.unknown),
        coverage(connection, vault, history.holds.active, found.entries),
    )
    return history, due


def dispose(
    ledger: Ledger,
    retention: Retention,
    regulations_of: RegulationsOf,
    *,
    reason: str,
    ticket: str | None = None,
    before: datetime | str | None = None,
    by: By | None = None,
) -> Disposal:
    """Dispose of what is due, in commits of one disposal entry each; whatever interrupts it, a later run goes on.

    Raises:
        LedgerError: the history does not verify, or the ledger refused.
    """
    writer(ledger)
    if ledger._vault.missing is not None:
        raise ledger._vault.missing
    by = by or By()
    words = check_words(reason, ticket, people=by.personal)
    history, found = _surveyed(ledger, retention, regulations_of, before)
    with ledger._database.read() as connection:
        found.apply(connection, ledger._vault, history.holds.active)
    units = [{"index": index, "name": name} for index, name in _fields(found)]
    units += [{"document": digest} for digest in found.documents()]
    done: list[Any] = []
    values: list[Field] = []
    documents: list[str] = []
    for part in split(units):
        step = _Step(ledger, history, found, part, words, by)
        done += commit(ledger, step.decide)
        values += step.values
        documents += step.documents
    overwritten = ledger._database.fold_log() if done else True
    return Disposal(tuple(values), tuple(documents), tuple(each.index for each in done), overwritten)


class _Step:
    """One commit of a disposal: what of `part` is still due and still there, one entry, and the deletions."""

    def __init__(
        self,
        ledger: Ledger,
        history: History,
        found: Survey,
        part: Sequence[dict[str, Any]],
        words: dict[str, str],
        by: By,
    ) -> None:
        self.ledger, self.history, self.found, self.part = ledger, history, found, part
        self.words, self.by = words, by
        self.values: list[Field] = []
        self.documents: list[str] = []

    def decide(self, connection: Connection, head: Any) -> Change:
        # Entries and holds that came since the survey count: what they name or cover is retained.
        self.history.advance(connection)
        self.history.confirm(head)
        self.found.apply(connection, self.ledger._vault, self.history.holds.active)
        fields = [(unit["index"], unit["name"]) for unit in self.part if "index" in unit]
        digests = [unit["document"] for unit in self.part if "document" in unit]
        due = [field for field in fields if field[0] in self.found.due]
        free = [digest for digest in digests if digest not in self.found.retained]
        self.values = [field for part in _parts(due) for field in _held_values(connection, part)]
        self.documents = [digest for part in _parts(free) for digest in _held_documents(connection, part)]
        if not self.values and not self.documents:
            return Change()
        disposed = [{"index": index, "name": name} for index, name in self.values]
        body = {"disposed": disposed, "documents": self.documents, **self.words}
        draft = Draft(EntryType.DISPOSAL, body=body, context=dict(self.by.context), personal=dict(self.by.personal))
        return Change(
            [draft],
            before=lambda: _delete_values(connection, self.values),
            # the trigger wants the newest entry to be the disposal that names the document
            after=lambda: _delete_documents(connection, self.documents),
        )


def _surveyed(
    ledger: Ledger, retention: Retention, regulations_of: RegulationsOf, before: datetime | str | None
) -> tuple[History, Survey]:
    found = Survey(retention, regulations_of, ledger._clock(), instant(before) if before is not None else None)
    history = History(found.on_entry)
    with ledger._database.read() as connection:
        history.advance(connection)
        found.resolve(connection)
    return history, found


def _fields(found: Survey) -> list[Field]:
    return [(index, name) for index, candidate in found.due.items() for name in candidate.names]


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _PART] for start in range(0, len(items), _PART))


def _held_values(connection: Connection, fields: Sequence[Field]) -> list[Field]:
    indexes = sorted({index for index, _ in fields})
    query = select(PERSONAL.c.leaf_index, PERSONAL.c.name).where(PERSONAL.c.leaf_index.in_(indexes))
    held = {(row.leaf_index, row.name) for row in connection.execute(query)}
    return [field for field in fields if field in held]


def _held_documents(connection: Connection, digests: Sequence[str]) -> list[str]:
    held = set(connection.execute(select(BLOB.c.digest).where(BLOB.c.digest.in_(digests))).scalars())
    return [digest for digest in digests if digest in held]


def _delete_values(connection: Connection, fields: Sequence[Field]) -> None:
    """Delete personal values, and the keys of persons of whom nothing is left."""
    subjects: set[str] = set()
    for part in _parts(sorted({index for index, _ in fields})):
        rows = connection.execute(select(PERSONAL.c.subject).where(PERSONAL.c.leaf_index.in_(part))).scalars()
        subjects.update(row for row in rows if row is not None)
    delete_fields(connection, fields)
    for part in _parts(sorted(subjects)):
        left = select(PERSONAL.c.subject).where(PERSONAL.c.subject.in_(part))
        one = SUBJECT_KEY.c.subject
        connection.execute(SUBJECT_KEY.delete().where(one.in_(part), one.not_in(left)))


def _delete_documents(connection: Connection, digests: Sequence[str]) -> None:
    if digests:
        one = BLOB.delete().where(BLOB.c.digest == bindparam("d"))
        connection.execute(one, [{"d": digest} for digest in digests])
