"""The models that meet a filter, in an order, with what a list shows of each; those of which it is not known apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct

from policy_engine.browsing.filters import Filters, Judged, judge
from policy_engine.browsing.offers import Offered, cheapest_price, mixed_usd, offered
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN, Plan
from policy_engine.catalog.entries import Model, Price, Score
from policy_engine.model.vocabulary import OPTIONS

#: By what a list is ordered, beside `score:BENCHMARK`: the name, dollars, parameters, tokens of the window.
SORTS = ("name", "price", "size", "context")


class Row(Struct, frozen=True):
    """A model in a list; `offers` are those on the options that were asked for, `scores` those of `benchmarks`."""

    judged: Judged
    retired: bool
    offers: tuple[Offered, ...]
    scores: Mapping[str, Score | None]

    @property
    def model(self) -> Model:
        return self.judged.model

    @property
    def price(self) -> Price | None:
        return cheapest_price(self.offers)

    @property
    def plan(self) -> Plan | None:
        """The cheapest plan on hardware that surely runs it, by the middle of its range."""
        plans = [each.plan for each in self.offers if each.plan is not None and each.meant]
        return min(plans, key=lambda each: each.usd, default=None)


class Listing(Struct, frozen=True):
    """The rows of each answer; `ruled_out` in the order of their names."""

    found: tuple[Row, ...]
    not_known: tuple[Row, ...]
    ruled_out: tuple[Judged, ...]
    benchmarks: tuple[str, ...]


def listing(catalog: Catalog, filters: Filters, sort: str, at: date) -> Listing:
    """Return the models by whether they meet `filters`; what a sort asks for and is not known comes last."""
    ordered = [judge(catalog, catalog.models[key], filters, at) for key in sorted(catalog.models)]
    by = sort.removeprefix("score:") if sort.startswith("score:") else None
    benchmarks = tuple(dict.fromkeys([*filters.min_scores, *([by] if by else [])]))
    options = (filters.option,) if filters.option else OPTIONS
    rows = [_row(catalog, each, benchmarks, options, at) for each in ordered if each.meets is not False]
    rows.sort(key=lambda row: _place(row, sort))
    return Listing(
        tuple(row for row in rows if row.judged.meets),
        tuple(row for row in rows if row.judged.meets is None),
        tuple(each for each in ordered if each.meets is False),
        benchmarks,
    )


def _row(catalog: Catalog, judged: Judged, benchmarks: tuple[str, ...], options: tuple[str, ...], at: date) -> Row:
    model = judged.model
    return Row(
        judged,
        model.retires_on is not None and model.retires_on <= at,
        offered(catalog, model, at, options),
        {name: catalog.score(model.key, name) for name in benchmarks},
    )


def _place(row: Row, sort: str) -> tuple[bool, float]:
    """Return where `row` stands; rows of one place keep the order of their names."""
    value: float | None = None
    if sort == "price":
        by_month = all(each.option in SELF_RUN for each in row.offers)
        if by_month:
            value = None if row.plan is None else row.plan.usd
        else:
            value = None if row.price is None else mixed_usd(row.price)
    elif sort == "size":
        value = row.model.params_b
    elif sort == "context":
        value = None if row.model.context_tokens is None else -row.model.context_tokens
    elif sort.startswith("score:"):
        score = row.scores[sort.removeprefix("score:")]
        value = None if score is None else -score.score
    elif sort == "name":
        value = 0.0
    return value is None, value or 0.0
