"""The parts of a fleet's plan: truths, mask words, look-ups by key, and what a policy's rules ask of it."""

from __future__ import annotations

import polars as pl
import pytest

from policy_engine.errors import RulesError
from policy_engine.fleet.building import Plan, both, column, either, first_of, negated, words
from policy_engine.fleet.columns import FleetIndex
from policy_engine.fleet.engine import FleetEngine
from policy_engine.fleet.lookups import Table, residency_key, residency_of
from policy_engine.loading.policy import with_rules
from tests.property.made_up_rules import rule_of
from tests.property.worlds import AT, shipped


def test_what_is_the_same_in_every_row_costs_nothing() -> None:
    here = pl.col("x")
    assert either([]) is False
    assert both() is True
    assert either([here, True]) is True
    assert both(here, False) is False
    assert negated(True) is False
    assert str(either([False, here])) == str(both(True, here)) == str(here)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 65, 130])
def test_words_hold_the_bits_that_the_index_reads(count: int) -> None:
    names = tuple(f"rule-{number:03}" for number in range(count))
    index = FleetIndex(names, (), ())
    wanted = [name for number, name in enumerate(names) if number % 3 == 0 or number == 63]
    frame = pl.DataFrame({name: [name in wanted, False] for name in names})
    # a truth that is the same in every row is no column
    bits = [True if number == 0 else pl.col(name) for number, name in enumerate(names)]
    found = frame.with_columns(**dict(zip(index.columns("fired"), words(bits), strict=True)))
    first, second = ([row[column] for column in index.columns("fired")] for row in found.iter_rows(named=True))
    assert index.expand("fired", first) == wanted
    assert index.expand("fired", second) == ["rule-000"]


def test_the_first_case_that_holds_is_taken() -> None:
    frame = pl.DataFrame({"a": [True, False, False], "b": [True, True, False]})
    cases = [(pl.col("a"), pl.lit("a")), (pl.col("b"), pl.lit("b"))]
    assert frame.select(x=first_of(cases, pl.lit("c")))["x"].to_list() == ["a", "b", "c"]


@pytest.mark.parametrize("count", [2, 64, 65, 130, 256, 257, 1000])
def test_a_table_gives_each_key_its_truths(count: int) -> None:
    keys = [f"key {number}" for number in range(count)]
    rows = pl.DataFrame({"key": [*reversed(keys), keys[0]]})
    plan = Plan(rows.lazy())
    table = Table("~table", keys)
    holds = {"odd": [n % 2 == 1 for n in range(count)], "last": [n == count - 1 for n in range(count)]}
    truths = {name: table.flags(each) for name, each in holds.items()}
    assert table.flags([True] * count) is True
    table.look_up(plan, pl.col("key"))
    plan.step()
    table.settle(plan)
    plan.step()
    found = plan.finished({name: column(truth) for name, truth in truths.items()}, ["key"]).collect()
    for row in found.iter_rows(named=True):
        assert {name: row[name] for name in holds} == {
            name: each[keys.index(row["key"])] for name, each in holds.items()
        }


def test_a_key_that_was_not_there_before_is_an_error() -> None:
    plan = Plan(pl.LazyFrame({"key": ["a", "b", "c"]}))
    table = Table("~table", ["a", "b"])
    truth = table.flags([True, False])
    table.look_up(plan, pl.col("key"))
    plan.step()
    table.settle(plan)
    plan.step()
    with pytest.raises(pl.exceptions.PolarsError):
        plan.finished({"x": column(truth)}, []).collect()


@pytest.mark.parametrize("regions", [None, [], ["us"], ["eu", "ch"]])
def test_a_residency_comes_back_from_its_key(regions: list[str] | None) -> None:
    frame = pl.DataFrame({"data.residency": [regions]}, schema={"data.residency": pl.List(pl.String)})
    key = frame.select(x=residency_key())["x"][0]
    assert residency_of(key) == (None if regions is None else tuple(regions))


def test_what_later_steps_read_no_more_is_dropped() -> None:
    plan = Plan(pl.LazyFrame({"a": [1, 2], "unread": [0, 0]}))
    double = plan.let(pl.col("a") * 2)
    plan.let(pl.col("unread") + 1)
    plan.step()
    more = plan.let(double + 1)
    plan.step()
    found = plan.finished({"x": more}, ["a"])
    assert "unread" not in found.explain(optimized=False).partition("DF [")[0]
    assert found.collect().to_dict(as_series=False) == {"a": [1, 2], "x": [3, 5]}


def test_a_rule_that_no_fleet_can_be_asked_is_named() -> None:
    policy = shipped()
    rules = [rule_of(f"own-{n}", "task.name.matches('\\\\w+')", forbid=("edge",)) for n in (1, 2)]
    changed = with_rules(policy, [*policy.rules.rules, *rules])
    with pytest.raises(RulesError) as caught:
        FleetEngine(changed, AT)
    said = [problem.message for problem in caught.value.problems]
    assert [text.partition(":")[0] for text in said] == ["rule `own-1`", "rule `own-2`"]
    assert {problem.code for problem in caught.value.problems} == {"not-for-a-fleet"}


def test_the_index_says_what_every_bit_stands_for() -> None:
    engine = FleetEngine(shipped(), AT)
    document = engine.index.document()
    assert document["rules"] == [rule.id for rule in shipped().rules.rules]
    assert document["evidence"] == sorted(shipped().vocabulary.evidence)
    assert {"task.min_scores.mmlu", "migration", "proposal.model"} <= {*document["facts"]}
    assert document["masks"]["fired"] == {"columns": ["fired_0", "fired_1"], "of": "rules"}
