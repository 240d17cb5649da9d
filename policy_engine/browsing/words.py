"""The words of figures of the catalog: prices, scores, hardware, speeds, each with its unit."""

from __future__ import annotations

from typing import Any

from policy_engine.browsing.standings import Standing
from policy_engine.browsing.stated import price_text
from policy_engine.catalog.cost import Plan
from policy_engine.catalog.entries import CostExample, HostingCost, MemoryRequirement, OwnershipCost, Price, Speed
from policy_engine.wording import number

MEASURES = {
    "tokens_per_second": "tokens/s",
    "tokens_per_hour": "tokens/hour",
    "reasoning_answer_seconds": "seconds for an answer of reasoning",
}
_STATES = {
    "counts": "counts",
    "superseded": "does not count",
    "not_yet": "not yet",
    "ended": "ended",
    "unused": "not used",
}


def standing_text(standing: Standing[Any]) -> str:
    """Say whether a figure counts, and why."""
    return f"{_STATES[standing.state]}: {standing.why}"


def price_words(price: Price) -> str:
    """Write a price with its unit."""
    if price.blended:
        return f"{price_text(price.input_usd_per_million)} USD per million tokens, both directions"
    return f"{price_text(price.input_usd_per_million)} in, {price_text(price.output_usd_per_million)} out"


def hosting_words(figure: HostingCost) -> str:
    """Write what hosting costs, and on what."""
    low, high = price_text(figure.usd_low), price_text(figure.usd_high)
    usd = low if low == high else f"{low} to {high}"
    name = figure.gpu or figure.device
    on = f" for {figure.count:,} x {name}" if name else " for self-hosting at large"
    return f"{usd} USD/{figure.per}{' or more' if figure.at_least else ''}{on}"


def month_words(plan: Plan) -> str:
    """Write what a month on hardware costs: the range that the source leaves, and whether it is a floor."""
    low, high = f"{plan.usd_low:,.2f}", f"{plan.usd_high:,.2f}"
    return f"{low if low == high else f'{low} to {high}'} USD/month{' or more' if plan.at_least else ''}"


def ownership_words(figure: OwnershipCost) -> str:
    """Write what hardware costs to buy."""
    name = figure.gpu or figure.device
    on = f" for {figure.count:,} x {name}" if name else ""
    return f"{number(figure.usd)} USD{' or more' if figure.at_least else ''} to buy{on}"


def example_words(figure: CostExample) -> str:
    """Write a bill that a source works out."""
    tokens = f"{figure.input_tokens:,} tokens in and {figure.output_tokens:,} out"
    return f"{number(figure.usd)} USD a month on {figure.option} for {tokens}"


def speed_words(figure: Speed) -> str:
    """Write a reported speed with its unit."""
    more = " or more" if figure.at_least else ""
    return f"{number(figure.value)}{more} {MEASURES[figure.measure]} on {figure.device}"


def memory_words(figure: MemoryRequirement) -> str:
    """Write the memory that a source asks for."""
    on = f", named: {', '.join(figure.devices)}" if figure.devices else ""
    return f"{number(figure.memory_gb)} GB{' or more' if figure.at_least else ''}{on}"
