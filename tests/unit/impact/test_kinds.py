"""Changes of a workload's verdict: the worst of its tasks' verdicts, each of which changes or stands."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from policy_engine.impact.kinds import between_workloads, kind_of
from policy_engine.impact.verdicts import VerdictChange, Verdicts

WORDS = ("allow", "allow_with_conditions", "review", "deny")
CHANGES = [(before, after) for before in WORDS for after in WORDS if before != after]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_what_a_workload_can_change_to_is_what_its_tasks_come_to(count: int) -> None:
    for changes in combinations(CHANGES, count):
        each = [*changes, *((word, word) for word in WORDS)]
        found = set()
        for tasks in product(each, repeat=2):
            before, after = (max((task[side] for task in tasks), key=WORDS.index) for side in (0, 1))
            if before != after:
                found.add((before, after))
        assert between_workloads(changes) == found


def test_what_is_met_is_every_kind_that_is_not_known_to_be_impossible() -> None:
    for before, after in CHANGES:
        kind = kind_of(before, after)
        assert kind is not None
        for status in ("possible", "undecided", "impossible"):
            verdicts = Verdicts([VerdictChange(kind, before, after, status)])  # type: ignore[arg-type]
            assert (kind in verdicts.kinds, verdicts.met([kind])) == (status != "impossible",) * 2
    # one task is allowed now, and another stands in review
    assert Verdicts([VerdictChange("deny-to-allow", "deny", "allow", "possible")]).met(["deny-to-review"])
    assert not Verdicts([VerdictChange("deny-to-review", "deny", "review", "possible")]).met(["deny-to-allow"])
