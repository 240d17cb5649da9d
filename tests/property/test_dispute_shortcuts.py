"""Disputes take ways that are shorter than deciding again; they find what the long way finds."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.catalog import OptionModels
from policy_engine.combining import rank, statuses
from policy_engine.decide import Decider
from policy_engine.disputes import Disputes
from policy_engine.loading.policy import Policy, with_rules
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS
from tests.property.made_up_rules import CONDITIONS, extended, rule_of, several
from tests.property.worlds import cases, judged, shipped


class Thorough(Disputes):
    """Ranks anew for every side of every dispute."""

    def _could_overtake(self, result: TaskResult, changed: Mapping[int, bool | None]) -> bool:
        return True

    def _recommended_at(
        self, result: TaskResult, changed: Mapping[str, OptionModels], outcomes: list[bool | None] | None
    ) -> str | None:
        inputs = dict(result.inputs)
        for option, other in changed.items():
            cost = other.monthly_usd if other.available is not False else None
            inputs[option] = replace(inputs[option], available=other.available, missing=other.missing, monthly_usd=cost)
        found = outcomes or result.outcomes
        missing = {i: result.missing_of.get(i, frozenset()) for i, outcome in enumerate(found) if outcome is None}
        standings = statuses(self.judge.effects, found, result.enforcement, inputs, missing)
        return rank(standings, self.judge.effects, found, missing).recommended


def assert_same(engine: Decider, raw: Mapping[str, Any]) -> None:
    for result in judged(engine, raw)[1]:
        assert Disputes(engine.judge).of(result) == Thorough(engine.judge).of(result)


DISPUTED = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(["routing", "latency", "volume-cost"]),
        "forbid": st.one_of(st.just(()), st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=2).map(tuple)),
        "prefer": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=2),
        "disfavour": st.dictionaries(st.sampled_from(OPTIONS), st.integers(1, 3), max_size=2),
        "enforcement": st.sampled_from(["mandatory", "advisory"]),
        "disputes": st.just(("DISPUTE-14",)),
    }
)
#: Conditions that are mostly true, so that what is disputed counts.
OFTEN = st.one_of(st.just("true"), st.just("workload.stage != 'prototype'"), CONDITIONS)


@cases(40, most=1000)
@given(several(6, 10, proposed=False), st.lists(st.tuples(OFTEN, DISPUTED), min_size=1, max_size=4))
def test_disputed_rules(raws: list[dict[str, Any]], drafts: list[tuple[str, dict[str, Any]]]) -> None:
    rules = [rule_of(f"own-{number}", when, **dict(effects)) for number, (when, effects) in enumerate(drafts)]
    engine = extended(shipped(), *rules)
    for raw in raws:
        assert_same(engine, raw)


PRICES = {
    "gpt-4o": ("proprietary_api", "DISPUTE-01"),
    "llama-3-70b": ("open_api", "DISPUTE-02"),
    "llama-3-8b": ("open_batch", "DISPUTE-02"),
    "mixtral-8x7b": ("open_api", "DISPUTE-07"),
}


@functools.cache
def level() -> Policy:
    """No rule scores or forbids, so that costs decide."""
    rules = [replace(rule, prefer={}, disfavour={}, forbid=()) for rule in shipped().rules.rules]
    return with_rules(shipped(), rules)


def disputed_prices(chosen: Mapping[str, tuple[float, float]]) -> Decider:
    """Return a decider to which two sources give these prices for one thing."""
    entries = {}
    for model, prices in chosen.items():
        option, dispute = PRICES[model]
        for source, price in zip(("s1", "s2"), prices, strict=True):
            entry = {"model": model, "option": option, "unit": "USD/1M tokens", "input": price, "output": price}
            entries[f"{model}.own.{source}"] = {
                **entry,
                "source": source,
                "as_of": "2026-02-01" if source == "s1" else "2026-01-31",
                "disputes": [dispute],
            }
    policy = level()
    return Decider(
        replace(policy, catalog_documents=(*policy.catalog_documents, ("own", {"own": {"prices": entries}})))
    )


PRICE = st.sampled_from([0.001, 0.1, 5.0, 400.0])


@cases(25, most=500)
@given(
    several(6, 10, proposed=False),
    st.dictionaries(st.sampled_from(sorted(PRICES)), st.tuples(PRICE, PRICE), min_size=2),
)
def test_disputed_prices(raws: list[dict[str, Any]], prices: dict[str, tuple[float, float]]) -> None:
    engine = disputed_prices(prices)
    for raw in raws:
        assert_same(engine, raw)
