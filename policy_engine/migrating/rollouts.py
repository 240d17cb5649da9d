"""Where the rollout of a task stands, by the decisions on record, in their order.

A decision that was made without having seen the last one that counts does not count; a roll back counts all the same.
A rollout that is complete stays so while it is held.
"""

from __future__ import annotations

from msgspec import UNSET, Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.records import Malformed, Records, Rollout


class Standing(Struct, frozen=True):
    """The last decision that counts; None before the first. `garbled` is a later entry that cannot be read."""

    last: Rollout | None = None
    is_complete: bool = False
    garbled: Malformed | None = None

    @property
    def is_proven(self) -> bool:
        """Whether all of the traffic has moved, for all that is known."""
        return self.is_complete and self.garbled is None


def standing_of(records: Records, task: str) -> Standing:
    """Return where the rollout of `task` stands; a decision on the whole workload is one on each task."""
    last, complete = None, False
    for each in reversed(records.rollouts):
        if each.body.task not in (task, None) or not _in_turn(each, last):
            continue
        last = each
        complete = each.body.decision == "complete" or (complete and each.body.decision == "hold")
    index = last.index if last is not None else -1
    return Standing(last, complete, records.garbled_after(EntryType.ROLLOUT_DECIDED, index))


def _in_turn(rollout: Rollout, last: Rollout | None) -> bool:
    follows = rollout.body.follows
    if follows is UNSET or rollout.body.decision == "roll_back":
        return True
    return (follows.index if follows is not None else None) == (last.index if last is not None else None)
