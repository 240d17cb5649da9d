"""One commit that appends entries and, with them, changes what may be changed: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from policy_audit.appending import Recorded, extend, lock_head, read_head
from policy_audit.entry import Draft, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.keys import Signer
from policy_audit.merkle import Frontier
from policy_audit.view import instant

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.ledger_base import LedgerBase


@dataclass(frozen=True)
class Change:
    """Drafts to append, what is done before them in the same transaction, and what after them."""

    drafts: Sequence[Draft] = ()
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


@dataclass(frozen=True)
class By:
    """Who does something to the ledger, for its entry: persons by name (`actor`, `requester`), and the context."""

    personal: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


def sealable(ledger: LedgerBase, by: By | None) -> By:
    """Return who does it, or, where the personal key is not there to seal a name, that a name was left out."""
    by = by or By()
    if not by.personal or ledger._vault.missing is None:
        return by
    return By({}, {**by.context, "actor_unsealed": True})


def writer(ledger: Ledger) -> Signer:
    """Return the signer of a ledger that may be written to.

    Raises:
        LedgerError: it was opened for reading.
    """
    if ledger._read_only or ledger._signer is None:
        raise LedgerError(f"the ledger `{ledger._database.location}` was opened for reading", code="ledger-read-only")
    return ledger._signer


def commit(ledger: Ledger, decide: Callable[[Connection, Frontier], Change]) -> list[Recorded]:
    """Call `decide` under the writer's lock, with the head that was verified, and commit what it returns.

    Raises:
        LedgerError: it was refused; nothing was recorded and nothing changed.
    """
    writer(ledger)
    try:
        with ledger._database.write() as connection:
            lock_head(connection)
            signer = writer(ledger)  # as it is now: another thread may have rotated it meanwhile
            frontier = read_head(connection, signer, ledger._head_note)
            change = decide(connection, frontier)
            if not change.drafts:
                return []
            if change.before is not None:
                change.before()
            batch = [prepare(draft) for draft in change.drafts]
            moment = instant(ledger._clock())
            recorded, note, _ = extend(connection, signer, frontier, batch, moment, {}, ledger._vault)
            if change.after is not None:
                change.after()
    except CanonicalError as error:
        raise LedgerError(f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help) from error
    ledger._head_note = note
    return recorded
