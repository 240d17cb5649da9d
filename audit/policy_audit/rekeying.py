"""Changing the personal key: every person's key is wrapped anew, and every person gets another name in the database.

After that, whoever has the new key and an old backup can neither open the backup's values nor try names against it:
the old key, once its copies are destroyed, closes all backups that were made under it.

INVARIANT: at every moment one of the two files holds the key that the database is under. The next key is written
before the commit, and takes the other's place after it; opening the ledger finishes what was cut short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, tuple_

from policy_audit.appending import Recorded
from policy_audit.changing import By, Change, commit, writer
from policy_audit.durable import sync_folder
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError, PersonalKeyError
from policy_audit.inserting import insert_rows
from policy_audit.names import PERSONAL, SUBJECT_KEY
from policy_audit.personal_key import PersonalKey, generate_personal_key, path_of, write_personal_key
from policy_audit.vault import Keyed, Vault, open_row
from policy_audit.vault_opening import following
from policy_audit.words import check_words

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

_PAGE = 500


def rekey(ledger: Ledger, *, reason: str, ticket: str | None = None, by: By | None = None) -> Recorded:
    """Change the ledger's personal key, on record; processes that hold the ledger open have to open it again.

    Raises:
        LedgerError: a value does not open under the present key, or the ledger is in memory.
        PersonalKeyError: the present key is missing, or the next one cannot be written.
    """
    signer = writer(ledger)
    vault, by = ledger._vault, by or By()
    words = check_words(reason, ticket, people=by.personal)
    if vault.missing is not None:
        raise vault.missing
    old = vault.require()
    if ledger._key_path is None:
        raise LedgerError("a ledger in memory keeps its personal key to itself", code="personal-key")
    path = path_of(ledger._key_path)
    new = generate_personal_key(signer.name)
    body = {"old": old.key_id.hex(), "new": new.key_id.hex(), **words}
    draft = Draft(EntryType.PERSONAL_KEY_ROTATION, body=body, context=dict(by.context), personal=dict(by.personal))
    coming = Vault(new)

    def decide(connection: Connection, _: Any) -> Change:
        def change() -> None:
            write_personal_key(following(path), new)
            _change_over(connection, vault, new)
            ledger._vault = coming

        return Change([draft], before=change)

    try:
        (recorded,) = commit(ledger, decide)
    except BaseException:
        ledger._vault = vault
        raise
    following(path).replace(path)
    sync_folder(path.parent)
    ledger._reopen_vault()
    ledger._database.fold_log()
    return recorded


def _change_over(connection: Connection, vault: Vault, new: PersonalKey) -> None:
    """Wrap all persons' keys anew, and put all values under the persons' new names; rows are never updated."""
    keys = {row.subject: row.wrapped for row in connection.execute(select(SUBJECT_KEY))}
    names: dict[str, str] = {}
    last: tuple[int, str] | None = None
    while True:
        rows = _page(connection, last)
        if not rows:
            break
        last = (rows[-1].leaf_index, rows[-1].name)
        changed = []
        for row in rows:
            if row.subject is None:
                continue
            if type(row.leaf_index) is not int or not isinstance(row.name, str) or not isinstance(row.sealed, bytes):
                raise _unopened("a value has another form than values have")
            if row.subject not in names:
                names[row.subject] = new.subject(_value(vault, row, keys))
            changed.append((row.leaf_index, row.name, names[row.subject], row.sealed))
        first = (rows[0].leaf_index, rows[0].name)
        key = tuple_(PERSONAL.c.leaf_index, PERSONAL.c.name)
        connection.execute(PERSONAL.delete().where(key >= first, key <= last, PERSONAL.c.subject.is_not(None)))
        insert_rows(connection, PERSONAL, changed)
    if keys.keys() - names.keys():
        raise _unopened("a person's key belongs to no value")
    connection.execute(SUBJECT_KEY.delete())
    old = vault.require()
    rewrapped = [
        (names[subject], new.wrap(names[subject], old.unwrap(subject, wrapped))) for subject, wrapped in keys.items()
    ]
    insert_rows(connection, SUBJECT_KEY, rewrapped)


def _page(connection: Connection, last: tuple[int, str] | None) -> Sequence[Any]:
    key = (PERSONAL.c.leaf_index, PERSONAL.c.name)
    query = select(PERSONAL) if last is None else select(PERSONAL).where(tuple_(*key) > last)
    return connection.execute(query.order_by(*key).limit(_PAGE)).all()


def _value(vault: Vault, row: Any, keys: dict[str, Any]) -> str:
    """Return the person's value, which must be what the row's subject was derived from."""
    disclosure = open_row(vault, Keyed(row, keys.get(row.subject)))
    if disclosure is None or vault.subject(disclosure.value) != row.subject:
        raise _unopened(f"a value of the entry {row.leaf_index} does not open")
    return disclosure.value


def _unopened(reason: str) -> PersonalKeyError:
    return PersonalKeyError(
        f"the personal key is not changed while not all values can be read: {reason}",
        code="personal-key-changed",
        help="run `policy audit verify`; `policy audit erase --unreadable` puts on record what is lost",
    )
