"""Laws of costs: more is never less, low never above high, and a break-even volume is where both cost the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.costing.curve import Curve, break_even
from policy_engine.costing.returns import Outlay, returns
from policy_engine.model.ranges import ENDS, ONE, ZERO, Range, exactly
from tests.property.worlds import cases

law = cases(60)
amounts = st.floats(0.01, 1e6)
volumes = st.floats(1.0, 1e13)


def ranges(values: st.SearchStrategy[float] = amounts) -> st.SearchStrategy[Range]:
    return st.tuples(values, values, values).map(lambda found: Range(*sorted(found)))


def in_order(found: Range) -> bool:
    return found.low <= found.central <= found.high


capacities = ranges(st.floats(1e6, 1e11))
spares = ranges(st.integers(0, 3).map(float))
owns = st.builds(Curve, fixed=ranges(), replica=ranges(), capacity=st.none() | capacities, spare=spares)
apis = st.builds(Curve, usd_per_million=ranges(st.floats(0.001, 1000.0)))


@law
@given(ranges(), ranges(), st.floats(0, 1e6))
def test_arithmetic_keeps_the_ends_in_order(one: Range, other: Range, number: float) -> None:
    for found in (one + other, one - other, one * other, one / other, one.times(number)):
        assert in_order(found)


@law
@given(ranges(), ranges(), st.floats(0, 1), st.floats(0, 1))
def test_arithmetic_encloses_whatever_the_operands_are(one: Range, other: Range, at: float, to: float) -> None:
    x, y = one.low + at * (one.high - one.low), other.low + to * (other.high - other.low)
    for found, exact in ((one + other, x + y), (one - other, x - y), (one * other, x * y), (one / other, x / y)):
        room = 1e-9 * (abs(exact) + one.high + other.high)
        assert found.low - room <= exact <= found.high + room


@law
@given(owns | apis, volumes, volumes)
def test_more_tokens_never_cost_less(curve: Curve, one: float, other: float) -> None:
    less, more = curve.at(min(one, other)), curve.at(max(one, other))
    assert in_order(less)
    assert all(getattr(less, end) <= getattr(more, end) for end in ENDS)


@pytest.mark.parametrize("name", ["fixed", "usd_per_million", "replica", "spare"])
@law
@given(curve=owns, more=ranges(st.integers(0, 5).map(float)), tokens=volumes)
def test_a_dearer_part_never_makes_it_cheaper(name: str, curve: Curve, more: Range, tokens: float) -> None:
    parts = {each: getattr(curve, each) for each in ("fixed", "usd_per_million", "replica", "capacity", "spare")}
    dearer = Curve(**{**parts, name: parts[name] + more})
    assert all(getattr(curve.at(tokens), end) <= getattr(dearer.at(tokens), end) for end in ENDS)


@law
@given(owns, volumes, st.floats(1.0, 100.0))
def test_a_larger_replica_never_costs_more(curve: Curve, tokens: float, factor: float) -> None:
    if curve.capacity is None:
        return
    larger = Curve(curve.fixed, curve.usd_per_million, curve.replica, curve.capacity.times(factor), curve.spare)
    assert all(getattr(larger.at(tokens), end) <= getattr(curve.at(tokens), end) for end in ENDS)


@law
@given(owns, apis, st.floats(0.01, 100.0))
def test_costs_scale(own: Curve, api: Curve, factor: float) -> None:
    """Twice the prices are twice the cost, and where all prices change alike, break-even stays where it is."""

    def scaled(curve: Curve) -> Curve:
        prices = [each.times(factor) for each in (curve.fixed, curve.usd_per_million, curve.replica)]
        return Curve(*prices, curve.capacity, curve.spare)

    for end in ENDS:
        assert getattr(scaled(own).at(1e9), end) == pytest.approx(getattr(own.at(1e9), end) * factor, rel=1e-9)
    found = break_even(own, api).central
    if found is not None and found < 1e15:
        mine, its = scaled(own).at(found * (1 - 1e-12)).central, scaled(api).at(found).central
        assert mine == pytest.approx(its, rel=1e-6)


#: The ends of both curves that a break-even's end sets against one another.
_SETS: dict[str, tuple[Callable[[Range], float], Callable[[Range], float]]] = {
    "low": (lambda cost: cost.low, lambda cost: cost.high),
    "central": (lambda cost: cost.central, lambda cost: cost.central),
    "high": (lambda cost: cost.high, lambda cost: cost.low),
}


@pytest.mark.parametrize("end", ENDS)
@law
@given(own=owns, api=apis, part=st.floats(0.001, 0.999))
def test_at_break_even_both_cost_the_same_and_before_it_the_api_costs_less(
    end: str, own: Curve, api: Curve, part: float
) -> None:
    found = getattr(break_even(own, api), end)
    mine, its = _SETS[end]
    if found is None:
        for tokens in (1e6, 1e9, 1e12, 1e15):
            assert its(api.at(tokens)) < mine(own.at(tokens)) * (1 + 1e-9)
    elif found < 1e15:  # beyond, whole replicas are lost in rounding
        assert mine(own.at(found * (1 - 1e-12))) == pytest.approx(its(api.at(found)), rel=1e-6)
        assert its(api.at(found * part)) < mine(own.at(found * part))


@law
@given(owns, apis)
def test_the_ends_of_break_even_are_in_order(own: Curve, api: Curve) -> None:
    found = break_even(own, api)
    ends = [math.inf if value is None else value for value in (found.low, found.central, found.high)]
    assert ends == sorted(ends)


outlays = st.builds(
    Outlay, running=ranges(), once=ranges(), purchase=ranges() | st.just(ZERO), life_months=ranges(st.floats(1, 120))
)


@law
@given(outlays)
def test_more_months_cost_more(outlay: Outlay) -> None:
    year, longer = outlay.total(12), outlay.total(36)
    assert in_order(year)
    assert in_order(longer)
    assert all(getattr(longer, end) >= getattr(year, end) for end in ENDS)


@law
@given(outlays, ranges())
def test_after_the_pay_back_month_both_have_cost_the_same(own: Outlay, bill: Range) -> None:
    found = returns(own, Outlay(bill, ZERO, ZERO, ONE))
    ends = [found.payback_months.low, found.payback_months.central, found.payback_months.high]
    known = [math.inf if each is None else each for each in ends]
    assert known == sorted(known)
    assert found.roi is None or in_order(found.roi)
    month = found.payback_months.central
    if month is not None and month < 1e9:
        lives = max(1.0, math.ceil(month / own.life_months.central * (1 - 1e-9)))
        spent = own.once.central + own.purchase.central * lives + month * own.running.central
        assert spent == pytest.approx(month * bill.central, rel=1e-6)
    else:
        a_month = own.running.central + own.purchase.central / own.life_months.central
        assert month is not None or bill.central <= a_month * (1 + 1e-9)


@law
@given(st.floats(1.0, 1e6))
def test_one_number_is_a_range_without_width(value: float) -> None:
    found = exactly(value) * exactly(2.0) / exactly(2.0) + ZERO
    assert (found.low, found.high) == (found.central, found.central)
