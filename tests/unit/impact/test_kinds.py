"""Changes of a workload's verdict: the worst of its tasks' verdicts, each of which changes or stands."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from policy_engine.impact.kinds import between_workloads

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
