"""Placing, releasing and listing legal holds on a ledger, and which entries a hold on a person covers."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from policy_audit.changing import By, Change, commit, sealable
from policy_audit.commitment import opens
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError
from policy_audit.history import History, parsed_entries
from policy_audit.holds import HOLD_ID, SUBJECT, UNREADABLE, Hold, Holds, Matter, Scope, check_scope, covers, matter_of
from policy_audit.names import PERSONAL, SUBJECT_KEY
from policy_audit.vault import Vault, open_row
from policy_audit.words import check_words

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Covered:
    """How many entries a hold covers, its own left out, and how many of them are decisions.

    `matters` leaves out other holds and questions, which somebody's name can be in that nothing was decided on.
    """

    entries: int = 0
    decisions: int = 0
    matters: int = 0


def coverage(connection: Connection, vault: Vault, holds: Sequence[Hold], size: int) -> dict[int, Covered]:
    """Return what each hold covers of the first `size` entries, by the index of its entry.

    Raises:
        LedgerError: an entry is malformed.
    """
    if not holds:
        return {}
    persons = {hold.index: held_entries(connection, vault, hold) for hold in holds}
    counts = {hold.index: [0, 0, 0] for hold in holds}
    for index, entry in parsed_entries(connection, size):
        matter = matter_of(index, entry)
        for hold in holds:
            if index != hold.index and covering(hold, matter, persons[hold.index]):
                count = counts[hold.index]
                count[0] += 1
                count[1] += entry.type == EntryType.DECISION
                count[2] += entry.type not in (EntryType.HOLD, EntryType.OFFICER_QUERY)
    return {index: Covered(*count) for index, count in counts.items()}


def list_covered(ledger: Ledger) -> list[tuple[Hold, Covered | None]]:
    """Return every hold on record with what it covers now; None for one that was released.

    Raises:
        LedgerError: the history does not verify.
    """
    history = _proven(ledger)
    with ledger._database.read() as connection:
        found = coverage(connection, ledger._vault, history.holds.active, history.frontier.size)
    return [(hold, found.get(hold.index)) for hold in history.holds]


def list_holds(ledger: Ledger) -> list[Hold]:
    """Return every hold on record, released or not, from entries that are proven against the signed head.

    Raises:
        LedgerError: the history does not verify.
    """
    return list(_proven(ledger).holds)


def place_hold(
    ledger: Ledger,
    scope: Scope,
    *,
    reason: str,
    identifier: str | None = None,
    subject: str | None = None,
    ticket: str | None = None,
    by: By | None = None,
) -> Hold:
    """Place a hold, which has no expiry; a scope of the kind `subject` needs the person in `subject`.

    Raises:
        LedgerError: the id is taken, the scope is none, or the reason names the person.
    """
    scope = check_scope(scope)
    if (scope.kind == SUBJECT) is (subject is None):
        raise LedgerError("a person goes with a hold of the kind `subject`, and with no other", code="hold-scope")
    chosen = identifier or f"hold-{secrets.token_hex(4)}"
    if not HOLD_ID.fullmatch(chosen) or UNREADABLE.fullmatch(chosen):
        raise LedgerError(
            f"`{chosen[:80]}` cannot be the id of a hold",
            code="hold-id",
            help="lower-case letters, digits, dots, dashes and underscores, 64 at most, and not `entry-` and a number",
        )
    words = check_words(reason, ticket, subject, by.personal if by is not None else None)
    # without the personal key a hold on no person is placed all the same: what it keeps must not wait for a key
    by = sealable(ledger, by)
    body = {"action": "place", "hold": chosen, "scope": scope.body, **words}
    personal = {**by.personal, **({SUBJECT: subject} if subject is not None else {})}
    draft = Draft(EntryType.HOLD, body=body, context=dict(by.context), personal=personal)

    def decide(holds: Holds) -> Draft:
        if holds.find(chosen):
            raise LedgerError(f"there is a hold `{chosen}` on record already", code="hold-id", help="choose another id")
        return draft

    return _record(ledger, decide).find(chosen)[0]


def release_hold(
    ledger: Ledger, identifier: str, *, reason: str, ticket: str | None = None, by: By | None = None
) -> Hold:
    """Release a hold; what it covered may be erased and disposed of from then on.

    Raises:
        LedgerError: there is no active hold of this id.
    """
    words = check_words(reason, ticket, people=by.personal if by is not None else None)
    by = sealable(ledger, by)
    body = {"action": "release", "hold": identifier, **words}
    draft = Draft(EntryType.HOLD, body=body, context=dict(by.context), personal=dict(by.personal))

    def decide(holds: Holds) -> Draft:
        found = holds.find(identifier)
        if not found or all(hold.released is not None for hold in found):
            state = "was released already" if found else "is not on record"
            hint = "`policy audit hold list` shows the holds"
            raise LedgerError(f"the hold `{identifier[:80]}` {state}", code="hold-missing", help=hint)
        return draft

    return _record(ledger, decide).find(identifier)[-1]


def held_entries(connection: Connection, vault: Vault, hold: Hold) -> Collection[int] | None:
    """Return the entries that a hold on a person covers: those that hold a value of theirs, and the hold's own.

    None where it is not known whom it is on, so that it may be on anyone. Other holds cover none in this way.
    """
    if hold.scope.kind != SUBJECT:
        return ()
    person = _person(connection, vault, hold)
    if person is None:
        return None
    rows = connection.execute(select(PERSONAL.c.leaf_index).where(PERSONAL.c.subject == person)).scalars()
    return {*rows, hold.index}


def covering(hold: Hold, matter: Matter, persons: Collection[int] | None) -> bool:
    """Whether a hold covers an entry, where `persons` is what `held_entries` returned for it."""
    return persons is None or matter.index in persons or covers(hold, matter)


def _person(connection: Connection, vault: Vault, hold: Hold) -> str | None:
    keys = PERSONAL.outerjoin(SUBJECT_KEY, PERSONAL.c.subject == SUBJECT_KEY.c.subject)
    query = select(PERSONAL, SUBJECT_KEY.c.wrapped).select_from(keys)
    row = connection.execute(query.where(PERSONAL.c.leaf_index == hold.index, PERSONAL.c.name == SUBJECT)).one_or_none()
    disclosure = open_row(vault, row) if row is not None and vault.key is not None else None
    if disclosure is None or hold.commitment is None or not opens(hold.commitment, disclosure):
        return None
    return vault.subject(disclosure.value)


def _proven(ledger: Ledger) -> History:
    """Return the history; the head's signature counts where the ledger was opened with its key."""
    from policy_audit.checkpoint import open_checkpoint, parse_checkpoint
    from policy_audit.errors import VerificationError
    from policy_audit.reading import read_checkpoint

    history = History()
    with ledger._database.read() as connection:
        history.advance(connection)
        note = read_checkpoint(connection)
    signer = ledger._signer
    try:
        signed = open_checkpoint(note, [signer.verifier_key], signer.name) if signer else parse_checkpoint(note)
    except VerificationError as error:
        message = f"the latest checkpoint does not verify: {error.message}"
        raise LedgerError(message, code="ledger-tampered", help="run `policy audit verify`") from error
    if (signed.size, signed.root) != (history.frontier.size, history.frontier.root()):
        message = "the entries do not give the root of the latest checkpoint"
        raise LedgerError(message, code="ledger-tampered", help="run `policy audit verify`")
    return history


def _record(ledger: Ledger, decide: Any) -> Holds:
    history = History()
    with ledger._database.read() as connection:
        history.advance(connection)

    def change(connection: Connection, head: Any) -> Change:
        history.advance(connection)
        history.confirm(head)
        return Change([decide(history.holds)])

    commit(ledger, change)
    with ledger._database.read() as connection:
        history.advance(connection)
    return history.holds
