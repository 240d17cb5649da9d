"""The ledger's group appends, in the shape that `policy_audit.ledger` is to have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policy_audit.errors import AuditError, LedgerError

if TYPE_CHECKING:
    from policy_audit.ledger import Draft, Ledger, Recorded


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuse the group where an entry of one of `types` stands at an index >= `size`."""

    types: frozenset[str]
    size: int


@dataclass(frozen=True, slots=True)
class Group:
    """Drafts of one caller: all or none, with an answer of their own."""

    drafts: Sequence[Draft]
    guard: Guard | None = None


def latest(ledger: Ledger, types: Collection[str]) -> int:
    """Return one more than the index of the last entry of these types; 0 where there is none."""
    found = [e.index + 1 for t in sorted(types) for e in ledger.list_entries(type=t, limit=1)]
    return max(found, default=0)


def append_groups(ledger: Ledger, groups: Sequence[Group]) -> list[Any]:
    """Append each group; return for each what was recorded, or why it was refused."""
    answers: list[list[Recorded] | LedgerError] = []
    for group in groups:
        try:
            if group.guard is not None and latest(ledger, group.guard.types) > group.guard.size:
                raise LedgerError("the ledger moved on", code="ledger-moved")
            answers.append(ledger.append_many(group.drafts))
        except AuditError as error:
            answers.append(error if isinstance(error, LedgerError) else LedgerError(error.message, code=error.code))
    return answers
