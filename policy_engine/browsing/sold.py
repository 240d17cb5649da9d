"""The prices of a model by who sells it, and which of them count: for a provider that serves it, as the engine decides.

A price that names nobody is the vendor's where weights are closed. Where they are open it counts for the providers that
have no price of their own. A price of an option or provider that does not serve the model counts for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from policy_engine.browsing.standings import Standing, standings
from policy_engine.catalog.candidates import candidate
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Model, Price

_BY_HARDWARE = "on this option hardware is paid, and no tokens"
_OWN = "each provider that serves it has a price of its own"
_NO_OPTION = "the option does not run this model"
_DEARER = "{} is dearer, and nobody knows which region serves a request"

Sellers = Mapping[tuple[str, str | None], tuple[Standing[Price], ...]]


def prices_by_seller(catalog: Catalog, model: Model, day: date) -> Sellers:
    """Return every price by option and seller; None is the vendor of closed weights, or who has no own price."""
    groups: dict[tuple[str, str | None], list[Price]] = {}
    for each in catalog.price_history(model.key):
        _, option, provider = catalog.seller_of(each)
        groups.setdefault((option, provider), []).append(each)
    found = {}
    for option, provider in sorted(groups, key=str):
        own = groups[option, provider]
        if option in SELF_RUN:
            found[option, provider] = _unused(standings(own, day, catalog.sides), _BY_HARDWARE)
            continue
        standing = _of_all_regions(catalog, own, catalog.price(model.key, option, day, provider), day)
        sold = candidate(catalog, model, option, day)
        if sold.meant is False:
            standing = _unused(standing, _NO_OPTION)
        elif not any(each.counts and each.figure is offer.price for each in standing for offer in sold.offers):
            standing = _unused(standing, _OWN if provider is None else f"{provider} does not serve it")
        found[option, provider] = standing
    return found


def _unused(found: tuple[Standing[Price], ...], why: str) -> tuple[Standing[Price], ...]:
    """Return `found` with those in force, of which none is read."""
    alive = ("counts", "superseded")
    return tuple(Standing(each.figure, "unused", why) if each.state in alive else each for each in found)


def _of_all_regions(
    catalog: Catalog, own: list[Price], counting: Price | None, day: date
) -> tuple[Standing[Price], ...]:
    """Return how the prices of one seller stand: in each region by itself, and then the one that `counting` names."""
    by_region: dict[str | None, list[Price]] = {}
    for each in own:
        by_region.setdefault(each.region, []).append(each)
    found = []
    for figures in by_region.values():
        for one in standings(figures, day, catalog.sides):
            lost = one.counts and counting is not None and one.figure is not counting
            found.append(Standing(one.figure, "superseded", _DEARER.format(counting.key)) if lost and counting else one)
    return tuple(sorted(found, key=lambda each: not each.counts))
