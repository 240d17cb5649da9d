"""Pairs of changes are true, and complete where they say so: held to the judge, and to every pair there is."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.counterfactuals import pairs as searched
from policy_engine.counterfactuals.choices import Choice, Domain
from policy_engine.counterfactuals.described import of_fact
from policy_engine.counterfactuals.found import Search, rows
from policy_engine.counterfactuals.search import Tried
from policy_engine.counterfactuals.trial import Trial
from policy_engine.decide import Decider
from policy_engine.model.task_case import VERDICTS, TaskResult
from tests.property.changing import judged_with
from tests.property.test_counterfactuals import searching
from tests.property.worlds import cases, decider, judged, workloads

Facts = tuple[str, str]


def held_up(search: Search, result: TaskResult) -> tuple[Trial, list[Tried]] | None:
    """Return what was tried of a task that no single choice makes better; None of any other.

    Where a description of the workload makes it better, of what was tried the choices.
    """
    trial = search.trial(result)
    tried = search.every(trial)
    if VERDICTS.index(result.verdict) < 2:
        return None
    better = [row for kind, _, row in rows(tried, trial.before) if kind == 0]
    if any(row["of"] == "choice" for row in better):
        return None
    return trial, [each for each in tried if not better or of_fact(each.domain.fact) == "choice"]


def every_pair(trial: Trial, tried: list[Tried]) -> set[Facts]:
    """Return the facts of each pair of changes that makes the verdict better, by asking all of them."""
    found: set[Facts] = set()
    for one, two in combinations([each.domain for each in tried], 2):
        for first, second in product(_others(one), _others(two)):
            reply = trial.reply({**first.changes, **second.changes})
            if reply is not None and VERDICTS.index(reply.verdict) < VERDICTS.index(trial.before.verdict):
                found.add((one.fact, two.fact))
                break
    return found


def _others(domain: Domain) -> list[Choice]:
    return [choice for place, choice in enumerate(domain.choices) if place != domain.now]


@pytest.fixture(scope="module")
def without_bound() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searched, "MOST_WORK", 10**9)
        patch.setattr(searched, "MOST", 10**9)
        yield


@cases(12, most=2000)
@given(st.booleans(), workloads())
@pytest.mark.usefixtures("without_bound")
def test_all_pairs_are_found_and_no_others(layered: bool, raw: dict[str, Any]) -> None:
    search = searching(layered)
    for result in judged(decider(layered), raw)[1]:
        found = held_up(search, result)
        if found is None:
            continue
        pairs = searched.pairs(*found, search._index)
        assert pairs.complete
        assert {_facts(row) for row in pairs.rows} == every_pair(*found)


@cases(25, most=2000)
@given(st.booleans(), workloads())
def test_each_pair_comes_to_what_it_says(layered: bool, raw: dict[str, Any]) -> None:
    engine, search = decider(layered), searching(layered)
    for result in judged(engine, raw)[1]:
        document = search.of(result).pairs
        found = held_up(search, result)
        assert (document is None) == (found is None)
        if document is None or found is None:
            continue
        assert not document["left_out"] or len(document["found"]) == searched.MOST
        assert document["complete"] or document["left_out"] >= 0
        for row in document["found"]:
            assert_true(engine, result, found[1], row)


def assert_true(engine: Decider, result: TaskResult, tried: list[Tried], row: dict[str, Any]) -> None:
    """Hold one pair to the judge: some choice of each of its facts comes to what it says, and to a better verdict."""
    one, two = (next(each.domain for each in tried if each.domain.fact == fact) for fact in _facts(row))
    said = (row["verdict"], row["recommendation"], row["provisional"])
    came = set()
    for first, second in product(_others(one), _others(two)):
        other = judged_with(engine, result.case, {**first.changes, **second.changes})
        if other is not None:
            came.add((other.verdict, other.ranking.recommended, other.ranking.provisional))
            if said in came:
                break
    assert said in came
    assert VERDICTS.index(row["verdict"]) < VERDICTS.index(result.verdict)


def _facts(row: dict[str, Any]) -> Facts:
    first, second = (change["fact"] for change in row["changes"])
    return first, second
