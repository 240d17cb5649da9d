"""What the other sides of a dispute say of a price."""

from __future__ import annotations

from datetime import date

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Price


def other_prices(
    catalog: Catalog, price: Price, model: str, option: str, at: date, provider: str | None
) -> list[Price]:
    """Return the prices of a model that the other sides of the disputes about `price` name, on the day `at`."""
    found = []
    for dispute in price.disputes:
        for side in catalog.other_sides(dispute, at):
            each = catalog.with_figures(dispute, side).price(model, option, at, provider)
            found += [each] if each is not None else []
    return found
