"""Restores as they stand on record, and how verification takes a kept checkpoint that the log does not continue.

Pure; the standard library alone: a live ledger and an exported folder are judged by the same words.

INVARIANT: a restore on record excuses nothing. Whoever holds the key can write one, over a tail that was dropped on
purpose. So a kept checkpoint that the log does not continue fails its step with it as without it; the entry only gives
the failure its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.keys import parse_verifier_key
from policy_audit.report import Step
from policy_audit.rotation import KeyHistory

ENTRY_TYPE = "restore"
MAX_KEYS = 16
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore on record: at which entry, the epoch that it begins, and the checkpoints that it names as lost.

    `keys` are those that the lost entries had rotated to: they signed what was lost, and nothing that is left.
    """

    index: int
    epoch: int
    lost: frozenset[tuple[int, str]]
    source: str
    keys: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The restore in words."""
        return f"the restore at entry {self.index} (epoch {self.epoch})"


def read_restore(index: int, epoch: int, body: Mapping[str, Any]) -> Restore:
    """Read the body of a restore; its `epoch` is counted and not believed, and what has another form names nothing."""
    listed = body.get("lost")
    lost = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    named = ((each.get("size"), each.get("root")) for each in lost)
    pairs = frozenset((size, root) for size, root in named if type(size) is int and isinstance(root, str))
    source, keys = body.get("from"), body.get("keys")
    known = tuple(key for key in keys[:MAX_KEYS] if _is_key(key)) if isinstance(keys, list) else ()
    return Restore(index, epoch, pairs, source[:_SHOWN] if isinstance(source, str) else "", known)


def lost_checkpoint(
    note: str, origin: str, keys: Sequence[str], restores: Sequence[Restore]
) -> tuple[Checkpoint, Restore] | None:
    """Return a checkpoint that a restore names as lost, with the restore; None where none does.

    The log's `keys` may have signed it, out of their time, or one that only the lost entries led to. Without a
    signature by any of them it is nobody's.
    """
    try:
        named = parse_checkpoint(note)
    except VerificationError:
        return None
    wanted = (named.size, named.root.hex())
    for restore in restores:
        if wanted not in restore.lost:
            continue
        for key in dict.fromkeys((*keys, *restore.keys)):
            with suppress(VerificationError):
                return open_checkpoint(note, [key], origin), restore
    return None


def explain(
    step: Step,
    unmet: Sequence[tuple[Checkpoint, str]],
    agreed: Sequence[int],
    restores: Sequence[Restore],
    size: int,
) -> None:
    """Fail `step` for each kept checkpoint, with its problem, that a log of `size` entries does not continue.

    `agreed` are the sizes of those that it does continue: what differs comes after the largest of them, and before the
    end of the one that it contradicts. Which restore names the checkpoint as lost, if any does, is said.
    """
    for checkpoint, problem in sorted(unmet, key=lambda each: each[0].size):
        wanted = (checkpoint.size, checkpoint.root.hex())
        restore = next((each for each in restores if wanted in each.lost), None)
        if restore is not None:
            step.restored += 1
            problem = (
                f"the ledger was restored at entry {restore.index} (epoch {restore.epoch}): the kept checkpoint of "
                f"size {checkpoint.size} covers entries lost with the old epoch"
            )
        elif restores:
            last = restores[-1]
            problem = f"{problem}; the restore at entry {last.index} (epoch {last.epoch}) does not name it as lost"
        if checkpoint.size > size:
            step.fail(problem, size)
        else:
            first = max((each for each in agreed if each < checkpoint.size), default=0)
            step.fail(problem, first, max(first, checkpoint.size - 1))


def findings(keys: KeyHistory, restores: Sequence[Restore]) -> list[str]:
    """Return what whoever reads a verification has to be told, though nothing fails by it."""
    found = [
        f"restored: at entry {each.index} (epoch {each.epoch}), from `{each.source}`; it names {len(each.lost):,} kept "
        f"checkpoint{'s' if len(each.lost) != 1 else ''} as lost, and what nobody kept is not known to be"
        for each in restores
    ]
    found += [
        f"the key {key.split('+')[1]} is not the log's: the rotation to it was lost, {each.named} says; do not pin it "
        "any more"
        for each in restores
        for key in each.keys
        if key not in keys.keys
    ]
    if keys.keys:
        for rotation in keys.rotations.values():
            if rotation.new in keys.keys:
                old, new = (key.split("+")[1] for key in (rotation.old, rotation.new))
                found.append(f"rotated: at entry {rotation.size}, from the key {old} to {new}")
    return found


def _is_key(key: object) -> bool:
    try:
        return isinstance(key, str) and bool(parse_verifier_key(key).name)
    except VerificationError:
        return False
