"""What a model costs on each option, by the figures that decisions are made by: the token, or the month of hardware."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from policy_engine.catalog.candidates import Candidate, candidate
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN, Plan
from policy_engine.catalog.entries import Model, Price
from policy_engine.model.vocabulary import OPTIONS

#: How many tokens of a prompt there are to one of an answer, where a price is put into one number (DISPUTE-03).
PROMPT_TO_ANSWER = 3


class Offered(Struct, frozen=True):
    """A model on an option. `meant` None where it is not known whether the option can run it.

    `price` is the cheapest one by the token that is known, `plan` the cheapest way on hardware: at most one of them is
    there, and neither where no source states it.
    """

    option: str
    meant: bool | None
    price: Price | None
    plan: Plan | None


def mixed_usd(price: Price) -> float:
    """Return dollars per million tokens, three of a prompt to one of an answer."""
    total = PROMPT_TO_ANSWER * price.input_usd_per_million + price.output_usd_per_million
    return total / (PROMPT_TO_ANSWER + 1)


def offered(catalog: Catalog, model: Model, at: date, options: tuple[str, ...] = OPTIONS) -> tuple[Offered, ...]:
    """Return what `model` costs on each of `options`."""
    return tuple(_offered(catalog, candidate(catalog, model, option, at)) for option in options)


def _offered(catalog: Catalog, found: Candidate) -> Offered:
    if found.meant is False:
        return Offered(found.option, False, None, None)
    if found.option in SELF_RUN:
        plan = min(found.plans, key=lambda each: (each.usd, each.what), default=None)
        return Offered(found.option, found.meant, None, plan)
    prices = [each.price for each in found.offers if each.price is not None]

    def place(price: Price) -> tuple[float, bool, str]:
        # of one amount the vendor's own: what is known of it, a dispute for one, is known of all
        return mixed_usd(price), catalog.seller_of(price)[2] is not None, price.key

    price = min(prices, key=place, default=None)
    return Offered(found.option, found.meant, price, None)


def cheapest_price(found: tuple[Offered, ...]) -> Price | None:
    """Return the cheapest price by the token on any option."""
    prices = [each.price for each in found if each.price is not None]
    return min(prices, key=lambda each: (mixed_usd(each), each.key), default=None)
