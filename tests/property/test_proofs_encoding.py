"""Whole decisions in Z3 against the engine: with a workload's facts pinned, both say the same of everything."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import Enforcement
from policy_engine.model.task_case import TaskResult
from policy_engine.proofs.concrete import Found
from policy_engine.proofs.confirming import Confirmer
from tests.property.pinned import Pinned
from tests.property.worlds import AT, cases, decider, judged, placed, shipped, workloads


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
    @cases(35)
    @given(workloads())
    def agree(raw: dict[str, Any]) -> None:
        for result in judged(decider(layered), raw)[1]:
            said = pinned(layered).says(result)
            wanted = expected(result)
            assert {name: (said[name], value) for name, value in wanted.items() if said[name] != value} == {}

    agree()


@functools.cache
def softened() -> Policy:
    """The shipped rules, where a namespace makes some waivable and others advisory."""
    levels: dict[tuple[str, str], Enforcement] = {
        ("data-stays-in-network", "claims"): "waivable",
        ("sensitive-data-needs-dpa", "*"): "waivable",
        ("sensitive-data-needs-dpa", "claims"): "advisory",
        ("real-time-work-excludes-batch", "claims"): "advisory",
        ("proposed-region-outside-residency", "*"): "waivable",
        ("licence-review-self-hosted", "default"): "waivable",
        ("open-model-needs-own-benchmark", "default"): "mandatory",
    }
    return replace(shipped(), rules=replace(shipped().rules, overrides=levels))


@functools.cache
def softly() -> tuple[Pinned, Confirmer]:
    return Pinned(softened()), Confirmer(Decider(softened()), AT)


def test_waivers_and_enforcement_by_namespace_act_as_the_engine_has_them() -> None:
    """Each waiver is granted for what its rule came to without it; the engine says what it lifts."""
    given_to = sorted(softly()[0].shared.waivers.given)

    @cases(40)
    @given(workloads(), st.lists(st.sampled_from(given_to), max_size=6, unique=True))
    def agree(raw: dict[str, Any], waivers: list[tuple[str, str, bool]]) -> None:
        pinned, confirmer = softly()
        result = confirmer.result(raw, Found(raw, waivers=tuple(waivers)))
        assert result is not None
        said = pinned.says(result, waivers)
        wanted = {"verdict": result.verdict, "recommended": result.ranking.recommended}
        wanted |= {f"status {option}": each.status for option, each in result.standings.items()}
        for duty in result.obligations:
            wanted[f"duty {duty.evidence} {result.judged}"] = "waived" if duty.waived else duty.status
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
