"""Break-even and pay-back, worked out by hand and by trying every volume."""

from __future__ import annotations

import math

import pytest

from policy_engine.costing.curve import Curve, break_even
from policy_engine.costing.examples import tokens_for_price, usd_per_million
from policy_engine.costing.returns import Outlay, returns
from policy_engine.model.ranges import ONE, ZERO, Range, exactly

M = 1e6


def own(fixed: float, replica: float, capacity: float | None, spare: float = 0.0) -> Curve:
    most = None if capacity is None else exactly(capacity)
    return Curve(fixed=exactly(fixed), replica=exactly(replica), capacity=most, spare=exactly(spare))


def api(price: float) -> Curve:
    return Curve(usd_per_million=exactly(price))


def test_the_articles_own_arithmetic() -> None:
    assert tokens_for_price(4000, 0.15) == pytest.approx(26.7e9, rel=0.002)
    assert usd_per_million(2.00, 158_760) == pytest.approx(12.60, abs=0.005)


@pytest.mark.parametrize(
    ("curve", "price", "tokens"),
    [
        # 1,000 USD whatever the volume, against 10 USD a million
        (own(900, 100, None), 10, 100 * M),
        # one replica does: (900 + 100) / 10
        (own(900, 100, 200 * M), 10, 100 * M),
        # of 60 M each it takes two: (900 + 200) / 10 = 110 M
        (own(900, 100, 60 * M), 10, 110 * M),
        # and a spare one: (900 + 300) / 10 = 120 M, which two hold exactly
        (own(900, 100, 60 * M, 1), 10, 120 * M),
        # a full replica costs 100 / 5 M = 20 USD a million, which is more than the API asks
        (own(900, 100, 5 * M), 10, None),
        # nothing is cheaper than nothing
        (own(900, 100, 60 * M), 0, None),
    ],
)
def test_break_even_by_hand(curve: Curve, price: float, tokens: float | None) -> None:
    found = break_even(curve, api(price))
    for end in (found.low, found.central, found.high):
        assert end == (None if tokens is None else pytest.approx(tokens))


@pytest.mark.parametrize("capacity", [7, 13, 29, 64])
@pytest.mark.parametrize("spare", [0, 1, 2])
def test_break_even_is_what_trying_every_volume_finds(capacity: int, spare: int) -> None:
    curve, paid = own(50, 3, capacity * M, spare), api(0.9)
    tried = (count / 100 for count in range(1, 100_000))
    first = next(
        (millions for millions in tried if paid.at(millions * M).central >= curve.at(millions * M).central), None
    )
    found = break_even(curve, paid).central
    assert (found is None) == (first is None)
    if found is not None and first is not None:
        assert first - 0.01 <= found / M <= first


def test_the_low_end_sets_the_cheapest_self_running_against_the_dearest_api() -> None:
    curve = Curve(fixed=Range(500, 1000, 2000), replica=ZERO)
    found = break_even(curve, Curve(usd_per_million=Range(5, 10, 20)))
    assert (found.low, found.central, found.high) == pytest.approx((25 * M, 100 * M, 400 * M))
    assert found.at_least


def outlay(running: Range, once: float = 0.0, purchase: float = 0.0, life: float = 48) -> Outlay:
    return Outlay(running, exactly(once), exactly(purchase), exactly(life))


def test_pay_back_and_return_by_hand() -> None:
    """12,000 USD once, and 500 a month in place of 1,500: a year, and 36,000 saved of 12,000."""
    found = returns(outlay(exactly(500), 12_000), outlay(exactly(1500)))
    assert found.payback_months.central == pytest.approx(12)
    assert found.roi is not None
    assert found.roi.central == pytest.approx(2.0)
    assert outlay(exactly(500), 12_000).total(12).central == 18_000


def test_pay_back_never_comes_where_nothing_is_saved() -> None:
    found = returns(outlay(Range(500, 1500, 3000), 12_000), outlay(exactly(1500)))
    assert (found.payback_months.low, found.payback_months.central) == (pytest.approx(12), None)
    assert found.payback_months.document()["never"] == ["central", "high"]
    assert found.roi is not None
    assert found.roi.low < 0 < found.roi.high


def test_without_an_investment_there_is_no_return_to_speak_of() -> None:
    found = returns(outlay(exactly(500)), outlay(exactly(1500)))
    assert (found.roi, found.payback_months.central) == (None, 0.0)


def test_what_is_bought_is_paid_when_it_is_bought_and_again_when_its_life_ends() -> None:
    bought = Outlay(exactly(100), exactly(1000), exactly(24_000), Range(12, 24, 36))
    assert bought.total(12) == Range(1000 + 24_000 + 1200, 26_200, 26_200)
    assert bought.total(36) == Range(1000 + 24_000 + 3600, 1000 + 48_000 + 3600, 1000 + 72_000 + 3600)
    assert returns(bought, Outlay(exactly(1350), ZERO, ZERO, ONE)).payback_months.central == pytest.approx(20)


def by_trying(once: float, purchase: float, life: float, saving: float, longest: int) -> float | None:
    """Try every hundredth of a month."""
    for step in range(1, longest * 100):
        month = step / 100
        if saving * month >= once + purchase * math.ceil(month / life - 1e-9) - 1e-6:
            return month
    return None


@pytest.mark.parametrize(
    ("once", "purchase", "life", "saving"),
    [
        (0, 12_000, 36, 500),
        (10_000, 12_000, 36, 500),
        (10_000, 12_000, 24, 600),
        (0, 12_000, 36, 300),
        (1_000, 12_000, 36, 340),
        (5_000, 0, 36, 100),
        (-2_000, 12_000, 36, 300),
    ],
)
def test_pay_back_counts_what_is_bought_again(once: float, purchase: float, life: float, saving: float) -> None:
    own = Outlay(exactly(100), exactly(max(once, 0)), exactly(purchase), exactly(life))
    found = returns(own, Outlay(exactly(100 + saving), exactly(max(-once, 0)), ZERO, ONE)).payback_months.central
    tried = by_trying(once, purchase, life, saving, 2000)
    assert found == (None if tried is None else pytest.approx(tried, abs=0.011))


def test_hardware_that_saves_less_than_its_price_in_a_life_is_never_paid_back() -> None:
    """50 a month for 36 months are 1,800 of 13,461: the second device is bought before the first is paid."""
    own = outlay(exactly(100), purchase=13_461, life=36)
    assert returns(own, outlay(exactly(150))).payback_months.central is None


def test_a_floor_of_what_is_paid_makes_pay_back_a_floor_too() -> None:
    found = returns(outlay(exactly(500), 12_000), outlay(exactly(1500)), floor=True)
    assert (found.floor, found.payback_months.document()["at_least"]) == (True, True)
