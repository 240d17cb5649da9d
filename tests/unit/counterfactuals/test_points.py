"""Points that stand side by side in one number, and the ranking that is remembered of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.combining import OptionInput, statuses
from policy_engine.counterfactuals.bits import PLACES, Points, Scores, bits_of, packed, unpacked
from policy_engine.counterfactuals.order import costs_of, order, weighed
from policy_engine.model.vocabulary import OPTIONS
from tests.property.worlds import decider

JUDGE = decider(False).judge
SCORES = Scores(JUDGE.rules, JUDGE.effects.scoring)
OUTCOMES = st.lists(st.sampled_from([True, False, None]), min_size=len(JUDGE.rules), max_size=len(JUDGE.rules))
STATUSES = st.tuples(*[st.sampled_from(["permitted", "uncertain", "forbidden", "unavailable"]) for _ in OPTIONS])
INPUTS = st.fixed_dictionaries(
    {
        option: st.builds(
            lambda usd, waits: OptionInput(True, (), usd, frozenset({"task.quality"} if waits else ())),
            st.sampled_from([None, 0.0, 1.5, 900.0]),
            st.booleans(),
        )
        for option in OPTIONS
    }
)


def _given(points: Points) -> list[int]:
    return [each - 2**31 for each in unpacked(points)]


@settings(max_examples=30, deadline=None)
@given(OUTCOMES, OUTCOMES)
def test_points_are_those_of_the_judge_counted_at_once_or_moved_to(
    one: list[bool | None], two: list[bool | None]
) -> None:
    moved = SCORES.moved(SCORES.of(bits_of(one)), bits_of(two))
    assert moved == SCORES.of(bits_of(two)).all
    acting = ["mandatory"] * len(JUDGE.rules)
    inputs = {option: OptionInput(True, (), None) for option in OPTIONS}
    found = statuses(JUDGE.effects, two, acting, inputs, {}, False).values()
    wanted = [[each.score for each in found], [each.low for each in found], [each.high for each in found]]
    assert _given(moved) == [points for each in wanted for points in each]


@given(st.lists(st.integers(-(2**30), 2**30), min_size=15, max_size=15))
def test_no_points_borrow_from_their_neighbours(points: list[int]) -> None:
    middle = packed([2**31] * 15)
    assert _given(middle + packed(points)) == points
    assert _given(middle - packed(points)) == [-each for each in points]


@settings(max_examples=60, deadline=None)
@given(STATUSES, OUTCOMES, INPUTS, st.booleans())
def test_where_no_cost_decides_the_order_is_the_same_at_any(
    standing: tuple[str, ...], outcomes: list[bool | None], inputs: dict[str, OptionInput], proposed: bool
) -> None:
    points = SCORES.of(bits_of(outcomes)).all
    if weighed(standing, points, proposed):
        return
    bare, costly = order(standing, points, costs_of({})), order(standing, points, costs_of(inputs))
    assert (bare.recommended, bare.provisional) == (costly.recommended, costly.provisional)
    assert proposed or bare.firm == costly.firm
    assert bare.recommended is None or standing[PLACES[bare.recommended]] == "permitted"
