"""Kinds of change of a verdict: from which word to which, the one to ask about first coming first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import permutations

ALLOW, REVIEW, DENY = "allow", "review", "deny"
#: Whatever a verdict allows, with conditions or without, is `allow` here.
WORDS = {"allow": ALLOW, "allow_with_conditions": ALLOW, "review": REVIEW, "deny": DENY}
_LOOSE = {DENY: 2, REVIEW: 1, ALLOW: 0}
ANY = "any"


def kind_of(before: str | None, after: str | None) -> str | None:
    """Return the kind of a change, as `deny-to-allow`; None where both verdicts mean the same, or one is not there."""
    if before is None or after is None or WORDS[before] == WORDS[after]:
        return None
    return f"{WORDS[before]}-to-{WORDS[after]}"


def _rank(kind: str) -> tuple[int, int]:
    before, _, after = kind.partition("-to-")
    return _LOOSE[after] - _LOOSE[before], -_LOOSE[before]


#: Every kind: what loosens most comes first, what tightens most last.
KINDS = tuple(sorted((f"{a}-to-{b}" for a, b in permutations((ALLOW, REVIEW, DENY), 2)), key=_rank))
FAIL_ON = (*KINDS, ANY)


def met(kinds: Iterable[str], fail_on: Collection[str]) -> bool:
    """Whether one of the changes is one to fail on; `any` is met by each."""
    return any(ANY in fail_on or kind in fail_on for kind in kinds)
