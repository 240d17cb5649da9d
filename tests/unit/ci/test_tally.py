"""What a run comes to in numbers, where several documents have one name, and several waivers lift one rule."""

from __future__ import annotations

from typing import Any

from policy_engine.ci.tally import tally
from policy_engine.ways_wording import idle_waivers
from tests.unit.ci.scene import judge, waiver
from tests.unit.cli.waiver_scene import WORKLOAD


def test_a_waiver_counts_on_each_document_that_it_is_on() -> None:
    judged = judge(("one.yaml", WORKLOAD), ("two.yaml", WORKLOAD), waivers=[waiver()])
    assert tally(judged).waivers_used == 2
    assert tally(judge(("one.yaml", WORKLOAD), waivers=[waiver()])).waivers_used == 1


def row(name: str, **more: Any) -> dict[str, Any]:
    given = {"id": name * 64, "rule": "r", "option": "edge", "task": None, "valid_until": "2026-12-31", "problem": None}
    return {**given, "source": "file", **more}


def test_a_second_waiver_is_not_said_to_have_nothing_to_lift() -> None:
    used = {**row("a"), "applies": True, "on": "judged", "lifts": ["r"], "why": None}
    document = {
        "decided_at": "2026-11-29T00:00:00Z",
        "waivers": {"known": [row("a"), row("b"), row("c", rule="other")]},
        "tasks": [{"waivers": [used]}],
    }
    told = {each["id"][0]: each["why"] for each in idle_waivers(document)}
    assert told["b"] == f"the waiver {'a' * 12} lifts the rule already"
    assert told["c"].startswith("there is nothing that it could lift")
