"""Statuses, scores and ranking, clause by clause: made-up rules, outcomes as given, the combination as it must be."""

from __future__ import annotations

import itertools

import pytest

from policy_engine.model.rule import Rule
from policy_engine.model.task_case import (
    Ranking,
)
from policy_engine.model.vocabulary import OPTIONS
from tests.unit.combining_case import (
    BATCH,
    EDGE,
    OPEN,
    PROPRIETARY,
    SELF,
    THREE,
    Case,
    option_input,
    rule,
)

# ---- step 2: the first status that applies


@pytest.mark.parametrize(("mandatory", "waivable", "available"), list(itertools.product(THREE, THREE, THREE)))
def test_an_option_has_the_first_status_that_applies(
    mandatory: bool | None, waivable: bool | None, available: bool | None
) -> None:
    case = Case(
        (rule("m", forbid=(SELF,)), mandatory),
        (rule("w", forbid=(SELF,), enforcement="waivable"), waivable),
        self_hosted=option_input(available),
    )
    if True in (mandatory, waivable):
        expected = "forbidden"
    elif available is False:
        expected = "unavailable"
    elif None in (mandatory, waivable, available):
        expected = "uncertain"
    else:
        expected = "permitted"
    standings = case.standings()
    assert standings[SELF].status == expected
    assert {standings[option].status for option in OPTIONS if option != SELF} == {"permitted"}


def test_a_status_names_the_rules_behind_it_and_no_others() -> None:
    case = Case(
        (rule("fired", forbid=(SELF, EDGE)), True),
        (rule("open", forbid=(SELF, OPEN)), None),
        (rule("quiet", forbid=(SELF,)), False),
        (rule("warns", forbid=(SELF,), enforcement="advisory"), True),
    )
    standings = case.standings()
    assert standings[SELF].rules == ("fired",)
    assert standings[OPEN].rules == ("open",)
    assert standings[OPEN].missing == {"open.fact"}
    assert standings[PROPRIETARY].rules == ()
    assert standings[SELF].missing == frozenset()


def test_an_uncertain_option_names_what_the_catalog_waits_for_too() -> None:
    case = Case(
        (rule("open", forbid=(SELF,)), None),
        self_hosted=option_input(None, missing=("task.context_tokens",)),
        edge=option_input(None, missing=("task.quality",)),
    )
    assert case.standings()[SELF].missing == {"open.fact", "task.context_tokens"}
    assert case.standings()[EDGE].missing == {"task.quality"}


@pytest.mark.parametrize("outcome", [True, None])
def test_an_advisory_forbid_changes_no_status(outcome: bool | None) -> None:
    case = Case((rule("advice", forbid=OPTIONS, enforcement="advisory"), outcome))
    assert {each.status for each in case.standings().values()} == {"permitted"}


def test_a_forbid_of_the_proposal_alone_leaves_the_options() -> None:
    case = Case((rule("region", forbid=("proposal",)), True))
    assert {each.status for each in case.standings().values()} == {"permitted"}
    assert case.ruling().holds is False
    assert case.ruling().rules == ("region",)


# ---- step 3: scores


def test_each_topic_speaks_once_for_an_option() -> None:
    """Four rules that say the same of volume do not outvote quality."""
    volume = [(rule(f"v{number}", "volume-cost", prefer={OPEN: 2}), True) for number in range(4)]
    case = Case(*volume, (rule("q", "task-quality", prefer={PROPRIETARY: 3}), True))
    standings = case.standings()
    assert standings[OPEN].score == 2
    assert standings[PROPRIETARY].score == 3
    assert case.ranking().recommended == PROPRIETARY


def test_a_topic_gives_its_strongest_preference_less_its_strongest_disfavour() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "latency", prefer={SELF: 3}, disfavour={SELF: 1}), True),
        (rule("c", "latency", disfavour={SELF: 2}), True),
        (rule("d", "latency", prefer={SELF: 3}, disfavour={SELF: 3}), False),
        (rule("e", "routing", disfavour={SELF: 1}), True),
    )
    standing = case.standings()[SELF]
    assert standing.score == (3 - 2) + (0 - 1)
    assert sorted((each.topic, each.rule, each.points) for each in standing.contributions) == [
        ("latency", "b", 3),
        ("latency", "c", -2),
        ("routing", "e", -1),
    ]


def test_the_score_is_the_sum_over_topics() -> None:
    topics = ["latency", "routing", "licence", "migration"]
    case = Case(*((rule(topic, topic, prefer={EDGE: strength}), True) for strength, topic in enumerate(topics, 0)))
    assert case.standings()[EDGE].score == 0 + 1 + 2 + 3


def test_open_preferences_give_a_range_and_count_for_nothing_in_the_score() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "latency", prefer={SELF: 3}), None),
        (rule("c", "latency", disfavour={SELF: 2}), None),
        (rule("d", "routing", disfavour={SELF: 1}), True),
        (rule("e", "routing", disfavour={SELF: 3}), None),
    )
    standing = case.standings()[SELF]
    assert (standing.score, standing.low, standing.high) == (1 - 1, (1 - 2) + (0 - 3), (3 - 0) + (0 - 1))


# ---- step 3: ranking


def test_the_highest_score_comes_first_whatever_it_costs() -> None:
    case = Case(
        (rule("a", prefer={EDGE: 1}), True),
        edge=option_input(cost=9999.0),
        proprietary_api=option_input(cost=0.0),
    )
    assert case.ranking().recommended == EDGE


def test_ties_go_by_monthly_cost() -> None:
    case = Case(self_hosted=option_input(cost=5.0), open_api=option_input(cost=6.0))
    assert case.ranking().recommended == SELF


def test_unknown_cost_comes_last_among_equals() -> None:
    inputs = {option: option_input(cost=None) for option in OPTIONS}
    case = Case(**{**inputs, "edge": option_input(cost=1e12)})
    assert case.ranking().recommended == EDGE
    assert case.ranking().cheapest == EDGE


def test_equals_at_equal_cost_go_by_the_canonical_order() -> None:
    assert Case().ranking().recommended == PROPRIETARY
    assert Case(proprietary_api=option_input(False)).ranking().recommended == OPEN
    nothing = {option: option_input(cost=None) for option in OPTIONS}
    assert Case(**nothing).ranking().recommended == PROPRIETARY
    assert Case(**nothing).ranking().cheapest is None


def test_only_permitted_options_are_recommended() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3, OPEN: 2, EDGE: 1}), True),
        (rule("b", forbid=(SELF,)), True),
        (rule("c", forbid=(OPEN,)), None),
    )
    assert case.ranking().recommended == EDGE


def test_the_cheapest_permitted_option_is_named() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3}), True),
        (rule("b", forbid=(BATCH,)), True),
        open_batch=option_input(cost=1.0),
        edge=option_input(cost=2.0),
    )
    assert case.ranking().recommended == SELF
    assert case.ranking().cheapest == EDGE


# ---- step 3: firmness


def test_a_recommendation_is_firm_where_nothing_is_open() -> None:
    assert Case().ranking().firm


def test_an_open_preference_that_could_not_change_the_first_leaves_it_firm() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 3}), True),
        (rule("b", "routing", prefer={OPEN: 2}), None),
    )
    assert case.ranking().firm
    assert case.ranking().open_facts == frozenset()


def test_a_rival_that_could_score_more_makes_it_not_firm_and_names_the_facts() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 2}), True),
        (rule("b", "routing", prefer={OPEN: 3}), None),
        (rule("c", "licence", prefer={EDGE: 1}), None),
    )
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (SELF, False)
    assert ranking.open_facts == {"b.fact"}  # edge cannot come first, and what it waits for is left out


def test_a_disfavour_that_could_lower_the_first_makes_it_not_firm() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "routing", disfavour={SELF: 2}), None),
    )
    assert not case.ranking().firm
    assert case.ranking().open_facts == {"b.fact"}


def test_a_rival_that_could_only_draw_level_wins_by_cost_or_order_alone() -> None:
    rules = (
        (rule("a", "latency", prefer={SELF: 2}), True),
        (rule("b", "routing", prefer={EDGE: 2}), None),
    )
    assert Case(*rules, edge=option_input(cost=100.0)).ranking().firm  # level, and later in the order
    assert not Case(*rules, edge=option_input(cost=99.0)).ranking().firm  # level, and cheaper
    assert Case(*rules, edge=option_input(cost=None)).ranking().firm  # level, and no price known: last


def test_a_cost_that_waits_for_facts_may_come_out_low() -> None:
    case = Case(open_api=option_input(cost=None, waits="volume.input_tokens_per_month"))
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (PROPRIETARY, False)
    assert ranking.open_facts == {"volume.input_tokens_per_month"}
    # A cost that no fact would tell is last, and stays there.
    assert Case(open_api=option_input(cost=None)).ranking().firm


def test_the_first_whose_own_cost_is_open_is_not_firm_against_its_equals() -> None:
    inputs = {option: option_input(cost=None, waits="task.share") for option in OPTIONS}
    assert not Case(**inputs).ranking().firm


def test_an_uncertain_option_that_could_come_first_makes_it_not_firm() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3}), True),
        (rule("b", forbid=(SELF,)), None),
    )
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (PROPRIETARY, False)
    assert ranking.open_facts == {"b.fact"}


@pytest.mark.parametrize("gone", [(rule("b", forbid=(SELF,)), True), None])
def test_what_is_ruled_out_is_no_rival(gone: tuple[Rule, bool] | None) -> None:
    rules = [(rule("a", prefer={SELF: 3}), None), *([gone] if gone else [])]
    inputs = {} if gone else {"self_hosted": option_input(False)}
    assert Case(*rules, **inputs).ranking().firm


def test_where_nothing_is_permitted_the_uncertain_are_ranked_provisionally() -> None:
    case = Case(
        (rule("f", forbid=(PROPRIETARY, OPEN, BATCH)), True),
        (rule("u", forbid=(SELF,)), None),
        (rule("p", prefer={EDGE: 1, OPEN: 3}), True),
        edge=option_input(None, cost=None, missing=("needs.edge",)),
    )
    ranking = case.ranking()
    assert ranking == Ranking(None, EDGE, False, frozenset({"u.fact", "needs.edge"}), None)


def test_where_nothing_is_left_there_is_no_provisional_one() -> None:
    case = Case((rule("f", forbid=OPTIONS), True))
    assert case.ranking() == Ranking(None, None, False, frozenset(), None)
    assert case.verdict() == "review"
