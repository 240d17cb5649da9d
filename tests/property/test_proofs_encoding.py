"""Whole decisions in Z3 against the engine: with a workload's facts pinned, both say the same of everything."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.model.task_case import TaskResult
from tests.property.pinned import Pinned
from tests.property.worlds import cases, decider, judged, placed, shipped, workloads


@functools.cache
def pinned(layered: bool) -> Pinned:
    return Pinned(placed() if layered else shipped())


def expected(result: TaskResult) -> dict[str, Any]:
    found: dict[str, Any] = {
        "verdict": result.verdict,
        "recommended": result.ranking.recommended,
        "firm": "firm" if result.ranking.firm else None,
        "outcomes": list(result.outcomes),
    }
    found |= {f"status {option}": each.status for option, each in result.standings.items()}
    for duty in result.obligations:
        found[f"duty {duty.evidence} {result.judged}"] = duty.status
    return found


@pytest.mark.parametrize("layered", [False, True])
def test_a_decision_in_z3_is_the_engines(layered: bool) -> None:
    @cases(50)
    @given(workloads())
    def agree(raw: dict[str, Any]) -> None:
        for result in judged(decider(layered), raw)[1]:
            said = pinned(layered).says(result)
            wanted = expected(result)
            assert {name: (said[name], value) for name, value in wanted.items() if said[name] != value} == {}

    agree()


def test_obligations_that_are_not_asked_for_are_none() -> None:
    @cases(25)
    @given(workloads(), st.just(None))
    def agree(raw: dict[str, Any], _: None) -> None:
        for result in judged(decider(False), raw)[1]:
            if result.judged is None:
                continue
            said, owed = pinned(False).says(result), {duty.evidence for duty in result.obligations}
            for name in shipped().vocabulary.evidence:
                if name not in owed:
                    assert said[f"duty {name} {result.judged}"] == "none"

    agree()
