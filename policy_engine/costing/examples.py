"""What the sources work out themselves, beside the arithmetic of their own figures."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry
from policy_engine.wording import price_text

_MILLION = 1e6


class Example(Struct, frozen=True):
    """A figure of a source, and what it comes to: `value` in `unit`; `stated` is the source's own, None without one."""

    says: str
    source: str
    value: float
    unit: str
    stated: float | None
    disputes: tuple[str, ...]


def tokens_for_price(usd_per_month: float, usd_per_million: float) -> float:
    """Return the tokens a month at which hardware of that monthly cost comes to that price of a million."""
    return usd_per_month / usd_per_million * _MILLION


def usd_per_million(usd_per_hour: float, tokens_per_hour: float) -> float:
    """Return what a million tokens cost where so many are answered in an hour of that price."""
    return usd_per_hour / tokens_per_hour * _MILLION


def examples_of(catalog: Catalog) -> Iterator[Example]:
    """Yield each monthly bill, rate and price of a source that its own figures can be held against."""
    yield from _bills(catalog)
    yield from _rates(catalog)
    yield from _volumes(catalog)


def _bills(catalog: Catalog) -> Iterator[Example]:
    for bill in catalog.cost_examples.values():
        for price in catalog.prices.values():
            if (price.model, price.option, price.source) == (bill.model, bill.option, bill.source):
                says = (
                    f"{bill.input_tokens / _MILLION:,.0f} M prompt and {bill.output_tokens / _MILLION:,.0f} M answer"
                    f" tokens with {bill.model} on {bill.option}"
                )
                usd = price.usd(bill.input_tokens, bill.output_tokens)
                yield Example(says, bill.source, usd, "USD/month", bill.usd, _disputes(bill, price))


def _rates(catalog: Catalog) -> Iterator[Example]:
    for speed in catalog.speeds.values():
        for cost in catalog.hosting_costs.values():
            same = (cost.gpu, cost.source, cost.count, cost.per) == (speed.device, speed.source, 1, "hour")
            if same and speed.measure == "tokens_per_hour":
                says = f"{speed.value:,.0f} tokens/hour on {speed.device} at {price_text(cost.usd)} USD/hour"
                usd = usd_per_million(cost.usd, speed.value)
                yield Example(says, speed.source, usd, "USD/million tokens", None, _disputes(speed, cost))


def _volumes(catalog: Catalog) -> Iterator[Example]:
    for price in catalog.prices.values():
        for cost in catalog.hosting_costs.values():
            at_large = cost.per == "month" and cost.gpu is None and cost.device is None
            if price.option == "self_hosted" and at_large and cost.source == price.source:
                says = (
                    f"{price.input_usd_per_million:g} USD/million tokens with {cost.usd_low:,.0f} USD/month of hardware"
                )
                tokens = tokens_for_price(cost.usd_low, price.input_usd_per_million)
                yield Example(says, price.source, tokens, "tokens/month", None, _disputes(price, cost))


def _disputes(*figures: Entry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in figures for name in each.disputes))
