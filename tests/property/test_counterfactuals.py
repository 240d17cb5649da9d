"""Counterfactuals are exact: a change flips verdict or recommendation if and only if a reported condition covers it."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_engine.counterfactuals.changed import MIN_SCORES
from policy_engine.counterfactuals.choices import Domain
from policy_engine.counterfactuals.found import Search, rows
from policy_engine.counterfactuals.trial import Trial
from policy_engine.decide import Decider
from policy_engine.model.task_case import VERDICTS, TaskResult
from policy_engine.model.vocabulary import OPTIONS
from tests.property.changing import changed_case, covers, judged_with, numbers, outcome
from tests.property.made_up_rules import ATOMS, CONDITIONS, extended, rule_of, several
from tests.property.test_waiver_laws import judged as waived
from tests.property.test_waiver_laws import waivers_of
from tests.property.worlds import AT, cases, decided, decider, judged, shipped, workloads

#: Of what is tried of one fact, as many as are decided the long way.
MOST = 7


@functools.cache
def searching(layered: bool) -> Search:
    return Search(decider(layered).judge)


def values(engine: Decider, result: TaskResult, domain: Domain, chance: random.Random) -> list[tuple[Any, Any]]:
    """Return values of a fact with the changes that state them: of numbers any, of the rest all that are tried."""
    found = list(_values(engine, result, domain, chance))
    return chance.sample(found, MOST) if len(found) > MOST else found


def _values(engine: Decider, result: TaskResult, domain: Domain, chance: random.Random) -> Iterator[tuple[Any, Any]]:
    name, now = domain.fact, result.facts.get(domain.fact)
    if domain.choices[0].op == "range":
        fact = engine.policy.vocabulary.facts.get(name)
        high = fact.maximum if fact is not None and fact.maximum is not None else 1e6
        for value in numbers(domain, chance, 0, high):
            if name.startswith(MIN_SCORES):
                floors = {**(result.case.min_scores or {}), name.removeprefix(f"{MIN_SCORES}."): value}
                yield value, {MIN_SCORES: floors}
            else:
                yield value, {name: value}
        return
    for choice in domain.choices:
        value = choice.value
        if choice.op == "add":
            value = [*(now or ()), value]
        elif choice.op == "remove":
            value = [other for other in now or () if other != value]
        yield value, choice.changes


def assert_exact(engine: Decider, search: Search, raw: dict[str, Any], chance: random.Random) -> None:
    for result in judged(engine, raw)[1]:
        trial = search.trial(result)
        tried = search.every(trial)
        found = [row for _, _, row in rows(tried, trial.before)]
        before = trial.before[:2]
        for each in tried:
            own = [row for row in found if row["fact"] == each.domain.fact]
            now = result.facts.get(each.domain.fact)
            for value, changes in values(engine, result, each.domain, chance):
                came = outcome(engine, result.case, changes)
                wanted = [] if came is None or came[:2] == before else [came]
                covering = [row for row in own if covers(row, value, now)]
                said = [(row["verdict"], row["recommendation"], row["provisional"]) for row in covering]
                assert said == wanted, (each.domain.fact, value, before)


@cases(25, most=2000)
@given(st.booleans(), workloads(), st.randoms(use_true_random=False))
def test_a_change_flips_the_decision_if_and_only_if_a_condition_covers_it(
    layered: bool, raw: dict[str, Any], chance: random.Random
) -> None:
    assert_exact(decider(layered), searching(layered), raw, chance)


DRAWN = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(["routing", "latency", "volume-cost"]),
        "forbid": st.one_of(st.just(()), st.lists(st.sampled_from([*OPTIONS, "proposal"]), max_size=2).map(tuple)),
        "prefer": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=2),
        "require": st.one_of(st.just({}), st.just({"dpa": OPTIONS}), st.just({"golden_dataset": OPTIONS[3:]})),
        "enforcement": st.sampled_from(["mandatory", "waivable", "advisory"]),
    }
)


@cases(6, most=400)
@given(
    several(2, 8),
    st.lists(st.tuples(st.one_of(st.sampled_from(ATOMS), CONDITIONS), DRAWN), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_it_holds_under_any_rules(
    raws: list[dict[str, Any]], drafts: list[tuple[str, dict[str, Any]]], chance: random.Random
) -> None:
    engine = extended(shipped(), *(rule_of(f"own-{n}", when, **dict(own)) for n, (when, own) in enumerate(drafts)))
    search = Search(engine.judge)
    for raw in raws:
        assert_exact(engine, search, raw, chance)


@cases(30, most=2000)
@given(st.booleans(), workloads(), st.data())
def test_a_trial_of_several_changes_is_what_the_judge_says(layered: bool, raw: dict[str, Any], data: Any) -> None:
    engine = decider(layered)
    for result in judged(engine, raw)[1]:
        trial = searching(layered).trial(result)
        domains = [each.domain for each in searching(layered).every(trial)]
        chosen = data.draw(st.lists(st.sampled_from(domains), min_size=2, max_size=3, unique_by=id))
        changes: dict[str, Any] = {}
        for domain in chosen:
            changes |= data.draw(st.sampled_from(domain.choices)).changes
        assert_same(engine, trial, result, changes)


@cases(6, most=400)
@given(workloads(), st.data())
def test_it_holds_beside_waivers(raw: dict[str, Any], data: Any) -> None:
    """A waiver lifts only on the facts that it was signed for, so that a change may end it."""
    engine, search = decider(False), searching(False)
    signed = waivers_of(engine, raw, waived(engine, raw)[1])
    for result in waived(engine, raw, signed)[1]:
        trial = search.trial(result)
        domains = [each.domain for each in search.every(trial)]
        for domain in data.draw(st.lists(st.sampled_from(domains), min_size=1, max_size=8)):
            assert_same(engine, trial, result, dict(data.draw(st.sampled_from(domain.choices)).changes))


def assert_same(engine: Decider, trial: Trial, result: TaskResult, changes: dict[str, Any]) -> None:
    reply, other = trial.reply(changes), judged_with(engine, result.case, changes)
    assert (reply is None) == (other is None)
    if reply is not None and other is not None:
        found = tuple(other.standings[o].status for o in OPTIONS)
        assert reply == (other.verdict, other.ranking.recommended, found, other.ranking.provisional), changes


@cases(20, most=1000)
@given(workloads())
def test_a_pair_is_named_only_where_no_single_choice_does_it_and_it_does(raw: dict[str, Any]) -> None:
    engine, search = decider(False), searching(False)
    for result in judged(engine, raw)[1]:
        trial = search.trial(result)
        found = search.of(result)
        better = [r["of"] for kind, _, r in rows(search.every(trial), trial.before) if kind == 0]
        assert (found.pairs is not None) == (result.verdict in ("review", "deny") and "choice" not in better)
        assert found.pairs is None or found.pairs["of"] == ("choice" if better else "any")
        for pair in (found.pairs or {"found": ()})["found"]:
            assert len({change["fact"] for change in pair["changes"]}) == 2
            assert VERDICTS.index(pair["verdict"]) < VERDICTS.index(result.verdict)


@cases(8, most=300)
@given(workloads())
def test_the_same_workload_has_the_same_counterfactuals(raw: dict[str, Any]) -> None:
    """Whatever was asked before, and whatever is remembered."""
    fresh = Decider(shipped())
    assert decided(fresh, raw).content == decided(decider(False), raw).content
    assert decided(fresh, raw).results[0].case.at == AT
    assert changed_case(decided(fresh, raw).results[0].case, {}).facts == decided(fresh, raw).results[0].case.facts
