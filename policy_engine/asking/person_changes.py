"""Whether owner and champion are others in a later decision: no document holds them, so that none tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.asking.persons import personal_status
from policy_engine.reports.flipped import Change

PERSON, PERSONS = "person", ("owner", "champion")


def changed_persons(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what became of the persons of two decisions, of which these are the `personal_values`.

    INVARIANT: what is not held on both sides is never told to be the same.
    """
    for name in PERSONS:
        old, new = (personal_status(each, name) for each in (before, after))
        if old == new == "none":
            continue
        if "none" in (old, new):
            said = ("none" if each == "none" else "named" for each in (old, new))
            yield Change(PERSON, name, next(said), next(said))
        elif old == new == "held":
            if before["personal"][name] != after["personal"][name]:
                yield Change(PERSON, name, None, "changed")
        else:
            why = dict.fromkeys(each for each in (old, new) if each != "held")
            yield Change(PERSON, name, None, f"cannot be compared: {' and '.join(why)}")
