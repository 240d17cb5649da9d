"""The installed genai-prices, against what the library itself charges; and never an updater."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

genai_prices = pytest.importorskip("genai_prices")
from genai_prices import data, data_snapshot  # noqa: E402
from genai_prices.types import (  # noqa: E402
    ConditionalPrice,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from policy_engine.errors import UsageError  # noqa: E402
from policy_engine.pricing import genai  # noqa: E402
from policy_engine.pricing.table import SELLERS  # noqa: E402

DAY = date(2026, 11, 28)


def test_each_price_is_what_the_library_charges_and_the_dearest_of_the_day() -> None:
    hours = [datetime.combine(DAY, time(hour), UTC) for hour in range(0, 24, 3)]
    models = [(provider, model) for provider in data.providers for model in provider.models]
    found = genai.read_installed(DAY).quotes
    assert len(found) == len(models)
    compared = 0
    for (provider, model), quote in zip(models, found, strict=True):
        assert (quote.provider, quote.name) == (provider.id, model.id)
        if quote.problem is not None or provider.id not in SELLERS:
            continue
        usage = genai_prices.Usage(input_tokens=1000, output_tokens=1000)
        moments = hours if isinstance(model.prices, list) else hours[:1]
        charged = [model.calc_price(usage, provider, genai_request_timestamp=at) for at in moments]
        dearest = max(charged, key=lambda each: each.total_price)
        assert (quote.input, quote.output) == (dearest.input_price * 1000, dearest.output_price * 1000), model.id
        compared += 1
    assert compared > 250


def test_no_updater_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an updater was started")

    monkeypatch.setattr(genai_prices.UpdatePrices, "start", refuse)
    monkeypatch.setattr(genai_prices.UpdatePrices, "__init__", refuse)
    before = threading.enumerate()
    genai.read_installed(DAY)
    assert threading.enumerate() == before
    assert data_snapshot._custom_snapshot is None


def model(prices: Any, **more: Any) -> Any:
    given = {"id": "m", "context_window": None, "deprecated": None, "price_comments": None, "price_variants": None}
    return SimpleNamespace(**{**given, **more, "prices": prices})


def price(into: str, out: str) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(into), output_mtok=Decimal(out))


def test_which_of_several_prices_is_taken_is_said() -> None:
    start, to_come = StartDateConstraint(start_date=DAY), StartDateConstraint(start_date=DAY + timedelta(days=1))
    by_date = [
        ConditionalPrice(prices=price("9", "9")),
        ConditionalPrice(constraint=start, prices=price("2", "8")),
        ConditionalPrice(constraint=to_come, prices=price("1", "4")),
    ]
    found = genai._quote("p", model(by_date), DAY)
    assert (found.input, found.output, found.notes) == (2, 8, ("from 2026-11-29: 1 in, 4 out",))
    night = TimeOfDateConstraint(start_time=time(0, tzinfo=UTC), end_time=time(8, tzinfo=UTC))
    by_hour = [ConditionalPrice(prices=price("2", "8")), ConditionalPrice(constraint=night, prices=price("1", "4"))]
    found = genai._quote("p", model(by_hour), DAY)
    assert (found.input, found.notes) == (2, ("by time of day, the dearest is taken; else 1 in, 4 out",))
    tiers = TieredPrices(base=Decimal(1), tiers=[Tier(start=200000, price=Decimal(3))])
    found = genai._quote("p", model(ModelPrice(input_mtok=tiers, output_mtok=Decimal(5)), deprecated=True), DAY)
    assert (found.input, found.notes) == (1, ("above 200,000 tokens: 3 in", "the provider calls it deprecated"))


def test_the_day_of_the_data_is_one_that_it_says_something_was_verified_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stood(*comments: str | None, day: date = DAY) -> date:
        models = [model(price("1", "2"), price_comments=each) for each in comments]
        monkeypatch.setattr(data, "providers", [SimpleNamespace(id="p", models=models)])
        return genai.read_installed(day).day

    said = "Batch rates verified on 2026-10-14 at https://x.example."
    assert stood(None, said, "Rates checked on 2026-09-01.") == date(2026, 10, 14)
    assert stood(said, "Announced: from 2026-11-20 it costs more.") == date(2026, 10, 14)
    assert stood(said, "Rates verified on 2026-09-01.", day=date(2026, 10, 1)) == date(2026, 9, 1)
    with pytest.raises(UsageError, match="does not say from which day"):
        stood(None)
    monkeypatch.setattr(data, "providers", [SimpleNamespace(id="p", models=[SimpleNamespace(id="m")])])
    with pytest.raises(UsageError, match="not of the form"):
        genai.read_installed(DAY)


def test_the_table_names_what_the_data_has() -> None:
    names = {(provider.id, each.id) for provider in data.providers for each in provider.models}
    missing = {
        (seller.key, name)
        for seller in SELLERS.values()
        for name in seller.names.get(genai.NAME, {})
        if (seller.key, name) not in names
    }
    # Bedrock by LiteLLM's names, in one table for both
    assert {provider for provider, _ in missing} <= {"aws"}
