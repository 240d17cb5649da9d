"""Monthly costs, their parts and their figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from msgspec.structs import replace

from policy_engine.catalog import Catalog, HardwareClaim, Needs, api_price, choose, qualify
from policy_engine.catalog.cost import Cost, price_cost

Layered = Callable[..., Catalog]
MONTH_HOURS = 730.5


def bill(
    catalog: Catalog, model: str, sent: float, answered: float, at: date, option: str | None = None
) -> Cost | None:
    price = api_price(catalog, model, at, option=option)
    return None if price is None else price_cost(catalog, price, sent, answered, at)


def test_tokens_by_price(catalog: Catalog, at: date) -> None:
    cost = bill(catalog, "gpt-4o-mini", 500e6, 100e6, at)
    assert cost is not None
    assert cost.usd_per_month == pytest.approx(135.0)
    assert [(part.what, part.usd_per_month) for part in cost.parts] == [
        ("500,000,000 prompt tokens at 0.15 USD per million", pytest.approx(75.0)),
        ("100,000,000 answer tokens at 0.6 USD per million", pytest.approx(60.0)),
    ]
    assert all(part.figure is catalog.prices["gpt-4o-mini.s3"] and part.stale for part in cost.parts)


def test_a_blended_price_is_for_both_directions(catalog: Catalog, at: date) -> None:
    cost = bill(catalog, "qwen3-7b", 500e6, 100e6, at, option="open_batch")
    assert cost is not None
    assert (cost.usd_per_month, len(cost.parts), cost.disputes) == (pytest.approx(12.0), 1, ("DISPUTE-10",))


def test_what_is_not_priced_is_unknown(catalog: Catalog, at: date) -> None:
    assert bill(catalog, "o1", 1e6, 1e6, at) is None
    assert bill(catalog, "no-such", 1e6, 1e6, at) is None


def test_the_price_of_the_day(catalog: Catalog) -> None:
    def usd(day: date) -> float:
        cost = bill(catalog, "gpt-4o", 3e6, 1e6, day)
        assert cost is not None
        return cost.usd_per_month

    assert [usd(date(2025, 6, 1)), usd(date(2026, 6, 1))] == [pytest.approx(17.5), pytest.approx(60.0)]


def self_hosted(catalog: Catalog, model: str, needs: Needs, at: date) -> float | None:
    found = qualify(catalog, "self_hosted", model, needs, at)
    assert found is not None
    return found.monthly_usd


def test_self_hosting_by_the_models_own_figure(catalog: Catalog, needs: Needs, at: date) -> None:
    assert self_hosted(catalog, "llama-3.1-70b", needs, at) == pytest.approx(3.0 * MONTH_HOURS)
    assert self_hosted(catalog, "llama-3.1-405b", needs, at) == pytest.approx(20.0 * MONTH_HOURS)
    assert self_hosted(catalog, "llama-3.1-8b", needs, at) == pytest.approx(0.10 * MONTH_HOURS)


def test_self_hosting_by_the_devices_needed(catalog: Catalog, needs: Needs, at: date) -> None:
    # 27.2 billion parameters at 16 bits fit one A100 at 1 USD/hour; an H100 is 2 USD/hour.
    assert self_hosted(catalog, "gemma-2-27b", needs, at) == pytest.approx(MONTH_HOURS)
    assert self_hosted(catalog, "llama-3.3-70b", needs, at) == pytest.approx(2 * MONTH_HOURS)
    assert self_hosted(catalog, "qwq-32b", needs, at) is None


def test_volume_takes_more_boxes(catalog: Catalog, needs: Needs, at: date) -> None:
    # Two A100s compute at most 624e12 / (2 x 70.554e9) = 4,422 tokens/s, 11.63 billion a month.
    much = replace(needs, input_tokens_per_month=20e9, output_tokens_per_month=5e9)
    assert self_hosted(catalog, "llama-3.1-70b", much, at) == pytest.approx(3 * 3.0 * MONTH_HOURS)


def test_a_range_and_a_floor(catalog: Catalog, needs: Needs, at: date, layered: Layered) -> None:
    others = {
        name: {"disabled": True}
        for name, model in catalog.models.items()
        if model.weights == "open" and name != "llama-3.1-70b"
    }
    cost = choose(layered({"models": others}), "self_hosted", needs, at).cost
    assert cost is not None
    assert (cost.usd_low, cost.usd_high) == (pytest.approx(1461.0), pytest.approx(2922.0))
    assert cost.at_least
    assert cost.disputes == ("DISPUTE-11",)


def test_engineers_are_priced_where_the_parameter_says_so(layered: Layered, needs: Needs, at: date) -> None:
    own = layered({}, engineer_usd_per_month=10_000.0, self_hosting_engineers=1.5)
    assert self_hosted(own, "llama-3.1-70b", needs, at) == pytest.approx(3.0 * MONTH_HOURS + 15_000)
    claimed = replace(needs, hardware=HardwareClaim(None, usd_per_hour=2.0))
    assert self_hosted(own, "llama-3.1-70b", claimed, at) == pytest.approx(2.0 * MONTH_HOURS + 15_000)
    parts = choose(own, "self_hosted", needs, at).cost
    assert parts is not None
    assert parts.parts[-1].what == "1.5 engineers at 10,000 USD/month"
    assert sum(part.usd_per_month for part in parts.parts) == pytest.approx(parts.usd_per_month)


def test_claimed_hardware_costs_what_is_claimed(catalog: Catalog, needs: Needs, at: date) -> None:
    claimed = replace(needs, hardware=HardwareClaim(None, usd_per_hour=2.0), input_tokens_per_month=None)
    assert self_hosted(catalog, "llama-3.1-70b", claimed, at) == pytest.approx(2.0 * MONTH_HOURS)
    silent = replace(needs, hardware=HardwareClaim(None))
    assert self_hosted(catalog, "llama-3.1-70b", silent, at) is None


def test_unknown_volume_is_an_unknown_cost(catalog: Catalog, needs: Needs, at: date) -> None:
    assert self_hosted(catalog, "llama-3.1-70b", replace(needs, output_tokens_per_month=None), at) is None


def test_other_sides_of_hosting(catalog: Catalog, needs: Needs, at: date) -> None:
    s0 = catalog.with_figures("DISPUTE-11", "s0")
    assert self_hosted(s0, "llama-3.1-70b", needs, at) == pytest.approx(4000.0)
    assert self_hosted(s0, "llama-3.1-405b", needs, at) == pytest.approx(20.0 * MONTH_HOURS)
    one = catalog.with_figures("DISPUTE-05", "s2-cost")
    assert self_hosted(catalog, "llama-3-70b", needs, at) == pytest.approx(3.0 * MONTH_HOURS)
    assert self_hosted(one, "llama-3-70b", needs, at) == pytest.approx(1.0 * MONTH_HOURS)


@pytest.mark.parametrize("option", ["proprietary_api", "open_api", "open_batch", "self_hosted", "edge"])
def test_the_parts_sum_to_the_cost(catalog: Catalog, needs: Needs, at: date, option: str) -> None:
    found = choose(catalog, option, replace(needs, edge_wanted=True), at)
    if found.cost is not None:
        assert found.cost.usd_per_month == pytest.approx(found.monthly_usd)
        assert sum(part.usd_per_month for part in found.cost.parts) == pytest.approx(found.monthly_usd)
