"""The candidates of an option, ordered by what is known of them, and what each would cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import inf
from typing import NamedTuple

from msgspec import Struct

from policy_engine.catalog.candidates import Offer
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Entry
from policy_engine.catalog.needs import Needs
from policy_engine.catalog.qualify import Rated


class Pick(NamedTuple):
    """A model that was picked, its monthly cost in dollars, and which of its offers or plans has that cost."""

    rated: Rated
    cost: tuple[float, int] | None


def cost_of(rated: Rated, into: float | None, out: float | None) -> tuple[float, int] | None:
    """Return the least monthly cost for so many tokens, and which offer or plan has it; None where it is not known."""
    best: tuple[float, int] | None = None
    if rated.candidate.option in SELF_RUN:
        for index, plan in enumerate(rated.plans):
            if plan.figure is None:
                return plan.cost_usd(0.0), index
            if into is not None and out is not None:
                usd = plan.cost_usd(into + out)
                if best is None or usd < best[0]:
                    best = (usd, index)
    elif into is not None and out is not None:
        for index, offer in enumerate(rated.offers):
            price = offer.price
            if price is not None:
                usd = (into * price.input_usd_per_million + out * price.output_usd_per_million) / 1e6
                if best is None or usd < best[0]:
                    best = (usd, index)
    return best


def undominated(rated: Sequence[Rated]) -> Sequence[Rated]:
    """Return those that no other undercuts whatever the volume is; those without a price only where none has one."""
    priced = [(least, each) for each in rated if (least := least_rates(each)) is not None]
    if not priced:
        return rated
    return [
        each
        for rates, each in priced
        if not any(other != rates and other[0] <= rates[0] and other[1] <= rates[1] for other, _ in priced)
    ]


def least_rates(rated: Rated) -> tuple[float, float] | None:
    """Return two rates of which less is better, whatever the volume: prices, or a box's cost and what it lacks."""
    pairs = [
        (each.price.input_usd_per_million, each.price.output_usd_per_million)
        for each in rated.offers
        if each.price is not None
    ]
    pairs += [(plan.usd, -plan.tokens_per_month if plan.tokens_per_month is not None else -inf) for plan in rated.plans]
    return min(pairs, default=None)


class Asked(NamedTuple):
    """What was asked: an option, the needs, a day."""

    option: str
    needs: Needs
    at: date


class Slate(Struct, frozen=True):
    """The candidates of an option by what is known of them.

    `disputes` are about figures that were compared. `nearest` are those of `maybe` of which the catalog knows most,
    and `missing` the facts that would tell of them.
    """

    all: tuple[Rated, ...]
    sure: tuple[Rated, ...]
    maybe: tuple[Rated, ...]
    nearest: tuple[Rated, ...]
    missing: tuple[str, ...]
    disputes: frozenset[str] = frozenset()


NOBODY = Slate((), (), (), (), ())


def compared_disputes(rated: Sequence[Rated], needs: Needs) -> frozenset[str]:
    """Return the disputes about any figure that is compared, that of a model which loses among them."""
    found: set[str] = set()
    for each in rated:
        if each.qualifies is False:
            continue
        for entry in (*(offer.price for offer in each.offers), *(plan.figure for plan in each.plans)):
            found.update(entry.disputes if entry else ())
        for name in scores_read(needs):
            score = each.candidate.score_figures.get(name)
            found.update(score.disputes if score else ())
    return frozenset(found)


def offer_of(pick: Pick) -> Offer:
    return pick.rated.offers[pick.cost[1] if pick.cost else 0]


def figure_of(rated: Rated, cost: tuple[float, int] | None) -> Entry | None:
    """Return the figure that the cost of `rated` rests on."""
    index = cost[1] if cost else 0
    if rated.candidate.option not in SELF_RUN:
        return rated.offers[index].price if rated.offers else None
    return rated.plans[index].figure if cost else None


def scores_read(needs: Needs) -> list[str]:
    """Return the benchmarks whose scores decide: those with a floor, and that of the quality bar."""
    bar = () if needs.quality == "sufficient" else (needs.score_benchmark,)
    return sorted({*(needs.min_scores or ()), *bar})
