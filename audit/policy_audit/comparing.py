"""Two signed checkpoints of one log: one history or two. Two that contradict each other prove it to anyone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policy_audit.checkpoint import Checkpoint
from policy_audit.merkle import EMPTY_ROOT

CONSISTENT, TWO_HISTORIES, UNDECIDED = "consistent", "two-histories", "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two checkpoints are to each other, and why."""

    result: str
    why: str


def compare(first: Checkpoint, second: Checkpoint, root_at: Callable[[int], bytes | None]) -> Comparison:
    """Compare two checkpoints of one log, both of whose signatures were verified.

    `root_at` gives the root of the first n entries of some copy of the log, None where there is none of that size.
    """
    smaller, larger = sorted((first, second), key=lambda each: each.size)
    if smaller.size == larger.size:
        if smaller.root == larger.root:
            return Comparison(CONSISTENT, f"they are of the same tree of {smaller.size:,} entries")
        return Comparison(TWO_HISTORIES, f"they sign different trees of {smaller.size:,} entries")
    if smaller.size == 0 and smaller.root != EMPTY_ROOT:
        return Comparison(TWO_HISTORIES, "one of them signs a tree of no entries that is not the empty tree")
    if smaller.size == 0:
        return Comparison(CONSISTENT, "every log continues the empty one")
    roots = root_at(smaller.size), root_at(larger.size)
    if None in roots:
        return Comparison(UNDECIDED, f"that takes the log's first {larger.size:,} entries, and there are not so many")
    continues = roots[0] == smaller.root, roots[1] == larger.root
    if continues == (True, True):
        return Comparison(CONSISTENT, f"the log leads from {smaller.size:,} entries to {larger.size:,}")
    if continues == (False, True):
        why = f"the log leads to the checkpoint of {larger.size:,} entries, and not by the one of {smaller.size:,}"
        return Comparison(TWO_HISTORIES, why)
    which = f"the one of {larger.size:,} entries" if continues[0] else "either"
    return Comparison(UNDECIDED, f"this log does not lead to {which}, which is a contradiction of its own: verify it")
