"""Restores: what a ledger that was put back from a copy says of it, and how verification takes it.

A ledger does not notice that it is an older copy of itself: whatever knew better is gone. Whoever restored it says so,
by an entry that begins a new epoch and names the checkpoints that were kept elsewhere and are lost.

INVARIANT: a restore on record excuses nothing. Whoever holds the key can write one, over a tail that was dropped on
purpose. So a kept checkpoint that the ledger does not continue fails its step with it as without it; the entry only
gives the failure its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policy_audit.checkpoint import Checkpoint
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError
from policy_audit.report import VerificationReport
from policy_audit.rotation import KeyHistory

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

MAX_LOST = 500
"""So many lost checkpoints are named, the largest first: more would not fit into an entry."""


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore on record: at which entry, the epoch that it begins, and the checkpoints that it names as lost."""

    index: int
    epoch: int
    lost: frozenset[tuple[int, str]]
    source: str


def restore_draft(ledger: Ledger, source: str, reason: str, kept: Sequence[str]) -> Draft:
    """Return the entry that says that the ledger was restored from `source`, and what of the `kept` is lost.

    Raises:
        LedgerError: there is no key to verify by.
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
    body = {"epoch": epoch, "from": source, "reason": reason, "size": size, "root": root, "lost_checkpoints": len(lost)}
    return Draft(EntryType.RESTORE, body={**body, "lost": [_lost(size, *each) for each in lost[-MAX_LOST:]]})


def read_restore(index: int, epoch: int, body: Mapping[str, Any]) -> Restore:
    """Read the body of a restore; its `epoch` is counted and not believed, and what has another form names nothing."""
    listed = body.get("lost")
    lost = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    named = ((each.get("size"), each.get("root")) for each in lost)
    pairs = frozenset((size, root) for size, root in named if type(size) is int and isinstance(root, str))
    source = body.get("from")
    return Restore(index, epoch, pairs, source if isinstance(source, str) else "")


def explain(
    report: VerificationReport, checkpoint: Checkpoint, problem: str, restores: Sequence[Restore], size: int
) -> None:
    """Fail the step `kept` for a checkpoint that the ledger does not continue, and say which restore names it."""
    step = report.step("kept")
    index = size if checkpoint.size > size else None
    wanted = (checkpoint.size, checkpoint.root.hex())
    restore = next((each for each in restores if wanted in each.lost), None)
    if restore is not None:
        step.restored += 1
        problem = (
            f"the ledger was restored at entry {restore.index} (epoch {restore.epoch}): the kept checkpoint of size "
            f"{checkpoint.size} covers entries lost with the old epoch"
        )
    elif restores:
        last = restores[-1]
        problem = f"{problem}; the restore at entry {last.index} (epoch {last.epoch}) does not name it as lost"
    step.fail(problem, index)


def findings(keys: KeyHistory, restores: Sequence[Restore]) -> list[str]:
    """Return what whoever reads a verification has to be told, though nothing fails by it."""
    found = [
        f"restored: at entry {each.index} (epoch {each.epoch}), from `{each.source}`; it names {len(each.lost):,} kept "
        f"checkpoint{'s' if len(each.lost) != 1 else ''} as lost, and what nobody kept is not known to be"
        for each in restores
    ]
    if keys.keys:
        for rotation in keys.rotations.values():
            if rotation.new in keys.keys:
                old, new = (key.split("+")[1] for key in (rotation.old, rotation.new))
                found.append(f"rotated: at entry {rotation.size}, from the key {old} to {new}")
    return found


def _lost(size: int, lost: int, root: bytes) -> dict[str, Any]:
    named: dict[str, Any] = {"size": lost, "root": root.hex()}
    # The entries of a smaller checkpoint were replaced by others, from an index on that nothing tells.
    return {**named, "first": size, "last": lost - 1} if lost > size else named
