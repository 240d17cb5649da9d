"""Erasing a person: salts, values and key are destroyed, and an entry says which values, and why, and not whose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select

from policy_audit.changing import By, Change, commit, sealable, writer
from policy_audit.entry import Draft, EntryType, parse_entry
from policy_audit.errors import CanonicalError, HeldError, LedgerError, PersonalKeyError
from policy_audit.history import History
from policy_audit.holding import covering, held_entries
from policy_audit.holds import Matter, matter_of
from policy_audit.names import ENTRY, PERSONAL, SUBJECT_KEY
from policy_audit.sealing import normalise
from policy_audit.vault import Vault, open_row
from policy_audit.words import check_words

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

Field = tuple[int, str]
_PART = 500
# `{"index":N,"name":"..."},` of every value that one entry names; the rest of 65,535 bytes is for all that goes with it
_ROOM = 48_000


@dataclass(frozen=True)
class Erasure:
    """What was erased, or in a dry run would be: values by entry and name, and the indexes of the erasure entries.

    `holds` are the legal holds that refuse it, which only a dry run returns. `overwritten` is False where deleted rows
    may still be read from the disk, sealed: a reader kept SQLite's log from being emptied, or it is PostgreSQL.
    """

    values: tuple[Field, ...]
    entries: tuple[int, ...] = ()
    holds: tuple[str, ...] = ()
    overwritten: bool = True


def erase(
    ledger: Ledger, subject: str, *, reason: str, ticket: str | None = None, by: By | None = None, dry_run: bool = False
) -> Erasure:
    """Erase every personal value of the person `subject`, in whatever case or Unicode form it was recorded.

    Raises:
        HeldError: a legal hold covers one of the entries; nothing is erased, and the refusal is on record.
        LedgerError: no value of this person is held, the reason names the person, the history does not verify.
    """
    writer(ledger)
    words = check_words(reason, ticket, subject, (by or By()).personal)
    key = ledger._vault.require()
    if ledger._vault.missing is not None:
        raise ledger._vault.missing
    identifier = key.subject(subject)

    def find(connection: Connection) -> list[Field]:
        found = _fields(connection, ledger._vault, identifier, subject)
        if not found:
            message = "the ledger holds no value of this person"
            raise LedgerError(message, code="subject-missing", help="an identity counts as a whole: `a@b.example`")
        return found

    def destroy(connection: Connection, fields: Sequence[Field]) -> None:
        delete_fields(connection, fields)
        connection.execute(SUBJECT_KEY.delete().where(SUBJECT_KEY.c.subject == identifier))

    by = _without(ledger._vault, by or By(), identifier)
    return _Erasing(ledger, words, by, find, destroy).run(dry_run)


def erase_unreadable(
    ledger: Ledger, *, reason: str, ticket: str | None = None, by: By | None = None, dry_run: bool = False
) -> Erasure:
    """Put on record that values can be read by nobody any more, and take away what is left of them.

    Without the personal key these are all that are sealed; with it, those that do not open.

    Raises:
        HeldError: a legal hold covers one of the entries; the refusal is on record.
        LedgerError: every value can be read; or another personal key than the ledger's is there.
    """
    writer(ledger)
    vault = ledger._vault
    if vault.key is not None and vault.missing is not None:
        raise PersonalKeyError(
            vault.missing.message,
            code="personal-key-other",
            help="values are called unreadable only where no personal key is there: move this one away first",
        )
    words = check_words(reason, ticket, people=(by or By()).personal)

    def find(connection: Connection) -> list[Field]:
        found = _unreadable_fields(connection, vault)
        if not found:
            raise LedgerError("every sealed value can be read", code="subject-missing")
        return found

    def destroy(connection: Connection, fields: Sequence[Field]) -> None:
        delete_fields(connection, fields)
        used = select(PERSONAL.c.subject).where(PERSONAL.c.subject.is_not(None))
        connection.execute(SUBJECT_KEY.delete().where(SUBJECT_KEY.c.subject.not_in(used)))

    by = sealable(ledger, by)
    done = _Erasing(ledger, {**words, "unreadable": True}, by, find, destroy).run(dry_run)
    if vault.key is None and not dry_run:
        ledger._reopen_vault()
    return done


class _Erasing:
    """One erasure: the history is read without the lock, then all is decided and done under it."""

    def __init__(self, ledger: Ledger, words: dict[str, Any], by: By, find: Any, destroy: Any) -> None:
        self.ledger, self.words, self.by, self.find, self.destroy = ledger, words, by, find, destroy
        self.fields: list[Field] = []
        self.holds: list[str] = []

    def run(self, dry_run: bool) -> Erasure:
        history = History()
        with self.ledger._database.read() as connection:
            history.advance(connection)

        def decide(connection: Connection, head: Any) -> Change:
            history.advance(connection)
            history.confirm(head)
            self.fields = sorted(self.find(connection))
            self.holds = _holds(connection, self.ledger._vault, history, self.fields)
            if dry_run:
                return Change()
            if self.holds:
                return Change([self._draft({"refused": {"holds": self.holds[:100]}})])
            return Change(list(self._drafts()), before=lambda: self.destroy(connection, self.fields))

        recorded = commit(self.ledger, decide)
        if self.holds and not dry_run:
            some = ", ".join(f"`{name}`" for name in self.holds[:3])
            raise HeldError(
                f"a legal hold covers what was to be erased: {some}",
                index=recorded[0].index,
                help=f"the refusal is on record as entry {recorded[0].index}; `policy audit hold list` shows the holds",
            )
        overwritten = dry_run or self.ledger._database.fold_log()
        entries = tuple(each.index for each in recorded)
        return Erasure(tuple(self.fields), entries, tuple(self.holds), overwritten)

    def _drafts(self) -> Iterator[Draft]:
        parts = list(split([{"index": index, "name": name} for index, name in self.fields]))
        for number, part in enumerate(parts, start=1):
            which = {"part": number, "parts": len(parts)} if len(parts) > 1 else {}
            yield self._draft({"erased": part, **which})

    def _draft(self, body: dict[str, Any]) -> Draft:
        context = dict(self.by.context)
        return Draft(EntryType.ERASURE, body={**body, **self.words}, context=context, personal=dict(self.by.personal))


def split(items: Sequence[dict[str, Any]], room: int = _ROOM) -> Iterator[list[dict[str, Any]]]:
    """Yield the items in as many parts as entries are needed to name them."""
    from policy_audit.canonical import canonical_bytes

    part: list[dict[str, Any]] = []
    size = 0
    for item in items:
        length = len(canonical_bytes(item)) + 1
        if part and size + length > room:
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def _without(vault: Vault, by: By, identifier: str) -> By:
    """Leave out who is the person that is erased: a commitment to them would be a new value of theirs."""
    own = sorted(name for name, value in by.personal.items() if vault.subject(value) == identifier)
    if not own:
        return by
    personal = {name: value for name, value in by.personal.items() if name not in own}
    return replace(by, personal=personal, context={**by.context, "by_subject": own})


def _fields(connection: Connection, vault: Vault, identifier: str, subject: str) -> list[Field]:
    """Return the values of a person by entry and name: those sealed for them, and plain ones that say the same.

    Raises:
        LedgerError: a value of another person, or one that does not open, was put under this person.
    """
    own = PERSONAL.c.subject == identifier
    keys = PERSONAL.outerjoin(SUBJECT_KEY, PERSONAL.c.subject == SUBJECT_KEY.c.subject)
    query = select(PERSONAL, SUBJECT_KEY.c.wrapped).select_from(keys)
    wanted = normalise(subject)
    found = []
    for row in connection.execute(query.where(own | PERSONAL.c.subject.is_(None))):
        disclosure = open_row(vault, row)
        same = disclosure is not None and normalise(disclosure.value) == wanted
        if same:
            found.append(_field(row))
        elif row.subject is not None:
            raise LedgerError(
                f"a value of the entry {row.leaf_index} was put under this person, and is not theirs",
                code="ledger-tampered",
                help="run `policy audit verify`",
            )
    return found


def _unreadable_fields(connection: Connection, vault: Vault) -> list[Field]:
    columns = PERSONAL.c.leaf_index, PERSONAL.c.name
    sealed = PERSONAL.c.subject.is_not(None)
    if vault.key is None:
        return [_field(row) for row in connection.execute(select(*columns).where(sealed))]
    keys = PERSONAL.outerjoin(SUBJECT_KEY, PERSONAL.c.subject == SUBJECT_KEY.c.subject)
    query = select(PERSONAL, SUBJECT_KEY.c.wrapped).select_from(keys).where(sealed)
    return [_field(row) for row in connection.execute(query) if open_row(vault, row) is None]


def _field(row: Any) -> Field:
    if type(row.leaf_index) is not int or row.leaf_index < 0 or not isinstance(row.name, str):
        raise LedgerError(
            "a personal value stands where none can", code="ledger-tampered", help="run `policy audit verify`"
        )
    return row.leaf_index, row.name


def delete_fields(connection: Connection, fields: Sequence[Field]) -> None:
    """Delete personal values by entry and name."""
    one = PERSONAL.delete().where(PERSONAL.c.leaf_index == bindparam("i"), PERSONAL.c.name == bindparam("n"))
    if fields:
        connection.execute(one, [{"i": index, "n": name} for index, name in fields])


def _holds(connection: Connection, vault: Vault, history: History, fields: Sequence[Field]) -> list[str]:
    """Return the ids of the active holds that cover one of the entries."""
    active = history.holds.active
    if not active:
        return []
    indexes = sorted({index for index, _ in fields})
    matters = [matter for start in range(0, len(indexes), _PART) for matter in _matters(connection, indexes, start)]
    persons = {hold.id: held_entries(connection, vault, hold) for hold in active}
    return [hold.id for hold in active if any(covering(hold, matter, persons[hold.id]) for matter in matters)]


def _matters(connection: Connection, indexes: Sequence[int], start: int) -> Iterator[Matter]:
    part = indexes[start : start + _PART]
    query = select(ENTRY.c.leaf_index, ENTRY.c.entry).where(ENTRY.c.leaf_index.in_(part))
    found = {row.leaf_index: row.entry for row in connection.execute(query)}
    for index in part:
        try:
            yield matter_of(index, parse_entry(found[index]))
        except (KeyError, CanonicalError):
            message = f"a personal value belongs to no entry that can be read: {index}"
            raise LedgerError(message, code="ledger-tampered", help="run `policy audit verify`") from None
