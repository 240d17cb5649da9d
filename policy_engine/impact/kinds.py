"""Kinds of change of a verdict: from which word to which, the one to ask about first coming first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import permutations

ALLOW, REVIEW, DENY = "allow", "review", "deny"
#: Whatever a verdict allows, with conditions or without, is `allow` here.
WORDS = {"allow": ALLOW, "allow_with_conditions": ALLOW, "review": REVIEW, "deny": DENY}
_TIGHT = {DENY: 2, REVIEW: 1, ALLOW: 0}
_WORST = {"allow": 0, "allow_with_conditions": 1, REVIEW: 2, DENY: 3}
#: Among what is allowed.
RELEASED, CONDITIONED = "conditions-to-allow", "allow-to-conditions"
ANY = "any"


def kind_of(before: str | None, after: str | None) -> str | None:
    """Return the kind of a change of verdicts, as `deny-to-allow`; None where there is none, or one is not there."""
    if before is None or after is None or before == after:
        return None
    if WORDS[before] == WORDS[after]:
        return RELEASED if after == ALLOW else CONDITIONED
    return f"{WORDS[before]}-to-{WORDS[after]}"


def between_workloads(changes: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the changes of a workload's verdict that `changes` of one task's each can come to, themselves included.

    The workload has the worst verdict. It gets better to a word where a task gets at least as far and another stands
    at that word; it gets worse from a word where a task comes from there or better, and another stands at that word.
    """
    found = set(changes)
    for before, after in changes:
        if _WORST[before] > _WORST[after]:
            found |= {(before, word) for word, rank in _WORST.items() if _WORST[after] <= rank < _WORST[before]}
        else:
            found |= {(word, after) for word, rank in _WORST.items() if _WORST[before] <= rank < _WORST[after]}
    return found


def _rank(kind: str) -> tuple[int, int]:
    before, _, after = kind.partition("-to-")
    return _TIGHT[after] - _TIGHT[before], -_TIGHT[before]


_ACROSS = sorted((f"{a}-to-{b}" for a, b in permutations((ALLOW, REVIEW, DENY), 2)), key=_rank)
#: Every kind: what loosens most comes first, what tightens most last.
KINDS = (*_ACROSS[:3], RELEASED, CONDITIONED, *_ACROSS[3:])
FAIL_ON = (*KINDS, ANY)


def met(kinds: Iterable[str], fail_on: Collection[str]) -> bool:
    """Whether one of the changes is one to fail on; `any` is met by each."""
    return any(ANY in fail_on or kind in fail_on for kind in kinds)
