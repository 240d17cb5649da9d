"""Subject access: which entries hold a value of a person, under which name, and that somebody asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from policy_audit.changing import By
from policy_audit.entry import Draft, EntryType
from policy_audit.names import PERSONAL
from policy_audit.records import StoredEntry
from policy_audit.sealing import normalise

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded
    from policy_audit.vault import Vault


@dataclass(frozen=True, slots=True)
class SubjectValue:
    """A value of the person: the entry that holds it, under which name, and as it was written there.

    `altered` is set where what is stored does not open the entry's commitment; `value` is empty then.
    """

    entry: StoredEntry
    name: str
    value: str
    altered: bool


def subject_access(ledger: Ledger, subject: str) -> list[SubjectValue]:
    """Return every value that the ledger holds of the person `subject`, in the order of the entries.

    Raises:
        PersonalKeyError: the personal key is not there, without which nobody can be found.
        VerificationError: an entry was changed.
    """
    with ledger._database.read() as connection:
        return list(values_of(connection, ledger._vault, subject))


def values_of(connection: Connection, vault: Vault, subject: str, size: int | None = None) -> Iterator[SubjectValue]:
    """Yield every value held of a person, of the first `size` entries: see `subject_access`."""
    from policy_audit.commitment import opens
    from policy_audit.reading import read_disclosures, read_entry

    vault.require()
    wanted, identifier = normalise(subject), vault.subject(subject)
    for index, sealed in _entries(connection, identifier).items():
        if size is not None and index >= size:
            continue
        entry = read_entry(connection, index)
        commitments = entry.document["commitments"]
        for name, disclosure in read_disclosures(connection, index, vault)[0].items():
            own = normalise(disclosure.value) == wanted
            if own or name in sealed:  # what stands under this person, and does not open, is theirs until it is told
                genuine = own and name in commitments and opens(commitments[name], disclosure)
                yield SubjectValue(entry, name, disclosure.value if genuine else "", not genuine)


def record_access(ledger: Ledger, subject: str, found: int, by: By | None = None) -> Recorded:
    """Put on record that somebody asked for what the ledger holds of a person.

    The person stands there as a personal value, so that they learn of it too, unless nothing was found: a question
    does not put anybody into the ledger.
    """
    by = by or By()
    personal = {**by.personal, **({"subject": subject} if found else {})}
    body = {"query": "subject-access", "values": found}
    return ledger.append(Draft(EntryType.OFFICER_QUERY, body=body, context=dict(by.context), personal=personal))


def _entries(connection: Connection, identifier: str) -> dict[int, set[str]]:
    """Return the entries that hold a value sealed for the person, with its names, and those with plain values."""
    own = PERSONAL.c.subject == identifier
    query = select(PERSONAL.c.leaf_index, PERSONAL.c.name, PERSONAL.c.subject)
    found: dict[int, set[str]] = {}
    for row in connection.execute(query.where(own | PERSONAL.c.subject.is_(None)).order_by(PERSONAL.c.leaf_index)):
        if isinstance(row.leaf_index, int):
            names = found.setdefault(row.leaf_index, set())
            names.update([row.name] if row.subject is not None else [])
    return found
