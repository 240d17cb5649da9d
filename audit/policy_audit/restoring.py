"""Restores: what a ledger that was put back from a copy says of it. How verification takes it, `epochs` says.

A ledger does not notice that it is an older copy of itself: whatever knew better is gone. Whoever restored it says so,
by an entry that begins a new epoch and names the checkpoints that were kept elsewhere and are lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.changing import sealable
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError
from policy_audit.words import refuse_names

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.ledger import Ledger

MAX_LOST = 500
"""So many lost checkpoints are named, the largest first: more would not fit into an entry."""


def restore_draft(ledger: Ledger, source: str, reason: str, kept: Sequence[str], *, by: By | None = None) -> Draft:
    """Return the entry that says that the ledger was restored from `source`, and what of the `kept` is lost.

    Raises:
        LedgerError: there is no key to verify by, or the reason names who says it.
        VerificationError: a kept checkpoint is not this ledger's.
    """
    from policy_audit.rotating import key_history
    from policy_audit.stored_tree import StoredTree

    if ledger.origin is None or ledger.verifier_key is None:
        raise LedgerError("a restore is recorded with the signing key", code="signing-key-missing")
    with ledger.snapshot() as connection:
        history = key_history(connection, ledger.origin, [ledger.verifier_key])
        tree = StoredTree(connection)
        checkpoints = {(each.size, each.root) for each in map(history.open, kept)}
        lost = sorted(each for each in checkpoints if each[0] > tree.size or tree.root(each[0]) != each[1])
        size, root = tree.size, tree.root(tree.size).hex()
    epoch = 2 + len(ledger.list_entries(type=EntryType.RESTORE))
    body: dict[str, Any] = {
        "epoch": epoch,
        "from": source,
        "reason": reason,
        "size": size,
        "root": root,
        "lost_checkpoints": len(lost),
    }
    body["lost"] = [_lost(size, *each) for each in lost[-MAX_LOST:]]
    refuse_names({"reason": reason, "source": source}, by.personal if by is not None else {})
    who = sealable(ledger, by)
    return Draft(EntryType.RESTORE, body=body, context=dict(who.context), personal=dict(who.personal))


def _lost(size: int, lost: int, root: bytes) -> dict[str, Any]:
    named: dict[str, Any] = {"size": lost, "root": root.hex()}
    # The entries of a smaller checkpoint were replaced by others, from an index on that nothing tells.
    return {**named, "first": size, "last": lost - 1} if lost > size else named
