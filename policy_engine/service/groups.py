"""The ledger's group appends, as the service calls them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from policy_audit.groups import Answer, Group, Guard
from policy_audit.once_sealed import Once

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

__all__ = ["Answer", "Group", "Guard", "Once", "append_groups", "latest"]


def latest(ledger: Ledger, types: Collection[str]) -> int:
    """Return one more than the index of the last entry of these types; 0 where there is none."""
    return ledger.latest(types)


def append_groups(ledger: Ledger, groups: Sequence[Group]) -> list[Answer]:
    """Append each group; return for each what was recorded, or why it was refused."""
    return ledger.append_groups(groups)
