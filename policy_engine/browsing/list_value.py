"""The answer of `policy catalog list` as a value for programs; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from policy_engine.browsing.filters import Filters, Judged
from policy_engine.browsing.listing import Listing, Row
from policy_engine.browsing.offers import mixed_usd
from policy_engine.browsing.stated import document, figure_value
from policy_engine.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN


@dataclass(frozen=True)
class Shown:
    """What was asked, and what was found; `known_only` leaves out what is not known."""

    catalog: Catalog
    filters: Filters
    found: Listing
    sort: str
    known_only: bool
    day: date

    @property
    def by_month(self) -> bool:
        """Whether hardware is paid on the option that was asked for, and no tokens."""
        return self.filters.option in SELF_RUN

    @property
    def cacheless(self) -> bool:
        return self.filters.fitting is not None and not self.filters.fitting.load.context_tokens


def as_value(shown: Shown) -> dict[str, Any]:
    """Return the answer as a value for programs; None is unknown."""
    found = shown.found
    return document(
        "CatalogList",
        shown.catalog,
        shown.day,
        asked=_asked(shown),
        models=[_row_value(shown, row) for row in found.found],
        not_known=[] if shown.known_only else [_row_value(shown, row) for row in found.not_known],
        ruled_out=[_ruled_out(each) for each in found.ruled_out],
        counts={"models": len(found.found), "not_known": len(found.not_known), "ruled_out": len(found.ruled_out)},
    )


def _asked(shown: Shown) -> dict[str, Any]:
    filters, fitting = shown.filters, shown.filters.fitting
    return {
        "weights": filters.weights,
        "open_licence": filters.open_licence,
        "commercial_use": list(filters.commercial),
        "modalities": list(filters.modalities),
        "context_tokens": filters.context_tokens,
        "min_scores": dict(filters.min_scores),
        "option": filters.option,
        "fits": None
        if fitting is None
        else {
            "gpu": fitting.gpu.key,
            "devices": fitting.count,
            "quantizations": list(fitting.quantizations),
            "context_tokens": fitting.load.context_tokens or None,
            "concurrency": fitting.load.concurrency,
            "cache_counted": not shown.cacheless,
        },
        "sort": shown.sort,
        "known_only": shown.known_only,
    }


def _ruled_out(judged: Judged) -> dict[str, Any]:
    return {"name": judged.model.key, "reasons": list(judged.reasons)}


def _row_value(shown: Shown, row: Row) -> dict[str, Any]:
    model, catalog, day = row.model, shown.catalog, shown.day
    return {
        "name": model.key,
        "aliases": list(model.aliases),
        "weights": model.weights,
        "vendor": model.vendor,
        "licence": model.licence,
        "commercial_use": catalog.licence(model.key),
        "modalities": None if model.modalities is None else sorted(model.modalities),
        "context_tokens": model.context_tokens,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "retired": row.retired,
        "fits_at": row.judged.fits_at,
        "price": _price_value(shown, row),
        "usd_per_month_at_least": row.plan.usd_low if row.plan else None,
        "usd_per_month_middle": row.plan.usd if row.plan else None,
        "usd_per_month_high": row.plan.usd_high if row.plan else None,
        "scores": {
            name: None if score is None else {"score": score.score, **figure_value(catalog, score, day)}
            for name, score in row.scores.items()
        },
        "reasons": list(row.judged.reasons),
        "missing": list(row.judged.missing),
    }


def _price_value(shown: Shown, row: Row) -> dict[str, Any] | None:
    price = row.price
    if price is None:
        return None
    return {
        "option": price.option,
        "provider": price.provider,
        "input_usd_per_million_tokens": price.input_usd_per_million,
        "output_usd_per_million_tokens": price.output_usd_per_million,
        "mixed_usd_per_million_tokens": mixed_usd(price),
        "blended": price.blended,
        **figure_value(shown.catalog, price, shown.day),
    }
