"""The engine agrees with the literal oracle, which reads the contract word by word and slowly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_engine.model.rule import TOPICS
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS
from tests.oracle import Oracle
from tests.property.made_up_rules import CONDITIONS, extended, rule_of, several
from tests.property.worlds import AT, cases, decider, judged, oracle, shipped, workloads


@cases(150)
@given(workloads(), st.booleans())
def test_the_engine_agrees_with_the_literal_oracle(raw: dict[str, Any], layered: bool) -> None:
    _, results = judged(decider(layered), raw)
    for result in results:
        assert_agrees(result, oracle(layered))


EFFECTS = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(TOPICS),
        "forbid": st.lists(st.sampled_from([*OPTIONS, "proposal"]), max_size=2, unique=True).map(tuple),
        "prefer": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=3),
        "disfavour": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=3),
        "require": st.dictionaries(
            st.sampled_from(["dpa", "fallback", "own_benchmark"]),
            st.lists(st.sampled_from(OPTIONS), min_size=1, unique=True).map(tuple),
            max_size=2,
        ),
        "enforcement": st.sampled_from(["mandatory", "waivable", "advisory"]),
        "grade": st.sampled_from(["asserted", "attached", "recorded"]),
        "enforce_from": st.sampled_from([None, AT.date(), datetime(2027, 1, 1, tzinfo=UTC).date()]),
    }
)


@cases(40, most=1000)
@given(several(3, 10), st.lists(st.tuples(CONDITIONS, EFFECTS), min_size=1, max_size=4))
def test_the_engine_agrees_under_rules_of_every_effect(
    raws: list[dict[str, Any]], drafts: list[tuple[str, dict[str, Any]]]
) -> None:
    rules = [rule_of(f"own-{number}", when, **dict(effects)) for number, (when, effects) in enumerate(drafts)]
    engine = extended(shipped(), *rules)
    literal = Oracle(engine.policy)
    for raw in raws:
        for result in judged(engine, raw)[1]:
            assert_agrees(result, literal)


def assert_agrees(result: TaskResult, literal: Oracle) -> None:
    expected = literal.judge(result)
    ids = [rule.id for rule in literal.rules]
    assert dict(zip(ids, result.outcomes, strict=True)) == expected.outcomes
    assert {name: each.status for name, each in result.standings.items()} == expected.statuses
    assert {name: each.score for name, each in result.standings.items()} == expected.scores
    assert {name: (each.low, each.high) for name, each in result.standings.items()} == expected.ranges
    ranking = result.ranking
    assert (ranking.recommended, ranking.provisional) == (expected.recommended, expected.provisional)
    assert (ranking.firm, ranking.cheapest) == (expected.firm, expected.cheapest)
    assert result.judged == expected.judged
    assert {each.evidence: each.status for each in result.obligations} == expected.obligations
    assert result.verdict == expected.verdict
    for standing in result.standings.values():
        assert standing.score == sum(each.points for each in standing.contributions)
        assert standing.low <= standing.score <= standing.high
