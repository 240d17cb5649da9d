"""The facts of each row as columns: those declared, and those computed from them and from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from policy_engine.catalog import Catalog, api_price
from policy_engine.catalog.regions import NO_PLACES, Places
from policy_engine.facts import DAYS_PER_MONTH, PROPOSED, region_allowed
from policy_engine.fleet.building import Plan, Truth, column, first_of, negated
from policy_engine.fleet.columns import declared
from policy_engine.fleet.lookups import UNKNOWN_KEY, Distinct, residency_of
from policy_engine.fleet.needed import VOLUME
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_polars import TYPES, divided
from policy_engine.model.fields import LARGEST_COUNT
from policy_engine.model.vocabulary import THIRD_PARTY

_FALLBACK = "proposal.fallback."
#: What a fallback runs at: it states no precision.
_DEFAULT_PRECISION = "bf16"


class Facts:
    """Where each fact is found: in a column of its own, in one that was computed, or nowhere (then it is unknown)."""

    def __init__(self, policy: Policy, computed: Mapping[str, pl.Expr] | None = None) -> None:
        self._types = {name: TYPES[fact.type] for name, fact in policy.vocabulary.facts.items()}
        self._declared = declared(policy).keys()
        self.computed: dict[str, pl.Expr] = dict(computed or {})

    def __call__(self, name: str) -> pl.Expr:
        """Return the expression of a fact."""
        if name in self.computed:
            return self.computed[name]
        return pl.col(name) if name in self._declared else pl.lit(None, dtype=self._types[name])

    def changed(self, computed: Mapping[str, pl.Expr], again: Collection[str]) -> Facts:
        """Return the same facts with others in the place of some; those in `again` are still to be derived."""
        found = Facts.__new__(Facts)
        found._types, found._declared = self._types, self._declared
        kept = {name: expression for name, expression in self.computed.items() if name not in again}
        found.computed = {**kept, **computed}
        return found


def model_codes(catalog: Catalog) -> dict[str, int]:
    """Return a number for each model, by the catalog's own name."""
    return {key: code for code, key in enumerate(sorted(catalog.models))}


class ModelNames:
    """The names and aliases of all models, each with a place: what a column names is looked up once."""

    def __init__(self, catalog: Catalog) -> None:
        self._names = sorted({name for key, model in catalog.models.items() for name in (key, *model.aliases)})
        place = {name: number for number, name in enumerate(self._names)}
        #: By the catalog's own name of a model, the places of its names.
        self.places = {
            key: sorted({place[name] for name in (key, *model.aliases)}) for key, model in catalog.models.items()
        }

    def place(self, name: pl.Expr) -> pl.Expr:
        """Return the place of the name that a column holds; null where the catalog does not know it."""
        return name.cast(pl.Enum(self._names), strict=False).to_physical().cast(pl.UInt32)


def grouped(values: Mapping[Any, Sequence[int]], code: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    """Return the value whose numbers hold `code`; `otherwise` where none does."""
    cases = [
        (code.is_in(sorted(numbers)).fill_null(False), pl.lit(value))
        for value, numbers in values.items()
        if value is not None
    ]
    return first_of(cases, otherwise)


def licence_of(catalog: Catalog, code: pl.Expr, numbers: Mapping[str, Sequence[int]]) -> pl.Expr:
    """Return what the licence of the model says that `code` stands for, by its `numbers`; null: not known."""
    found: dict[str | None, list[int]] = {}
    for key, its in numbers.items():
        found.setdefault(catalog.licence(key), []).extend(its)
    return grouped(found, code, pl.lit(None, dtype=pl.String))


def volumes(plan: Plan) -> dict[str, pl.Expr]:
    """Name the volume's sums, as `facts.derive_volume` has them."""
    total = pl.min_horizontal(pl.col(VOLUME[0]) + pl.col(VOLUME[1]), pl.lit(LARGEST_COUNT, dtype=pl.Int64))
    known = pl.col(VOLUME[0]).is_not_null() & pl.col(VOLUME[1]).is_not_null()
    total = pl.when(known).then(total)
    return {
        "volume.tokens_per_month": plan.let(total),
        "volume.tokens_per_day": plan.let(divided(total.cast(pl.Float64), DAYS_PER_MONTH)),
        "task.tokens_per_month": plan.let(total.cast(pl.Float64) * pl.col("task.share")),
    }


def api_spend(plan: Plan, catalog: Catalog, names: ModelNames, reference: str, day: date) -> pl.Expr:
    """Return the declared bill, else the volume at the price of the model in use, else of the reference model."""
    sent, answered = (pl.col(name).cast(pl.Float64) for name in VOLUME)
    in_use = plan.let(names.place(pl.col("migration.from.model")))
    places: dict[tuple[float, float], list[int]] = {}
    for key, its in names.places.items():
        price = api_price(catalog, key, day)
        if price is not None:
            places.setdefault((price.input_usd_per_million, price.output_usd_per_million), []).extend(its)
    plan.step()
    used = {pair: plan.let(in_use.is_in(sorted(its)).fill_null(False)) for pair, its in places.items()}
    plan.step()
    default = api_price(catalog, reference, day)
    otherwise = (None, None) if default is None else (default.input_usd_per_million, default.output_usd_per_million)
    into, out = (
        first_of([(here, pl.lit(pair[side])) for pair, here in used.items()], pl.lit(otherwise[side], dtype=pl.Float64))
        for side in (0, 1)
    )
    return pl.coalesce(pl.col("budget.api_spend_usd_per_month"), divided(sent * into + answered * out, 1e6))


def provider_tells(catalog: Catalog, prefix: str) -> Truth:
    """Return whether it tells of the region of `prefix` (proposal, or its fallback) who the provider is."""
    if not catalog.provider_places:
        return False
    return pl.col(f"{prefix}.deployment").is_in(list(THIRD_PARTY)).fill_null(False)


def _places(catalog: Catalog, prefix: str) -> tuple[list[Places], pl.Expr]:
    """Return where providers run, and for each row the number of what holds of its own."""
    tells = provider_tells(catalog, prefix)
    if tells is False:
        return [NO_PLACES], pl.lit(0, dtype=pl.UInt64)
    provider = pl.col(f"{prefix}.provider")
    found = [NO_PLACES, Places(perhaps=catalog.provider_places)]
    cases: list[tuple[Truth, pl.Expr]] = [(negated(tells), pl.lit(0, dtype=pl.UInt64))]
    cases.append((provider.is_null(), pl.lit(1, dtype=pl.UInt64)))
    for regions in catalog.provider_places:
        named = [key for key, each in catalog.providers.items() if each.regions == regions]
        cases.append((provider.is_in(named).fill_null(False), pl.lit(len(found), dtype=pl.UInt64)))
        found.append(Places(regions))
    return found, first_of(cases, pl.lit(0, dtype=pl.UInt64))


def regions_allowed(
    plan: Plan, catalog: Catalog, distinct: Distinct, residency: pl.Expr, prefix: str
) -> tuple[Truth, Truth]:
    """Return whether the region of `prefix` is allowed by the residency, and whether not; after the next step.

    `residency` is the place of a row's residency among the distinct ones.
    """
    places, kind = _places(catalog, prefix)
    regions = sorted({name for _, name in distinct.pairs})
    first = {key: place * len(regions) for place, key in enumerate(distinct.residencies)}
    numbers: dict[bool | None, list[int]] = {}
    for key, name in distinct.pairs:
        within = residency_of(key)
        listed = None if within is None else list(within)
        region = None if name == UNKNOWN_KEY else name
        pair = (first[key] + regions.index(name)) * len(places)
        for number, each in enumerate(places):
            answer = region_allowed(listed, region, catalog.regions, each)
            numbers.setdefault(answer, []).append(pair + number)
    place = (
        pl.col(f"{prefix}.region")
        .fill_null(UNKNOWN_KEY)
        .cast(pl.Enum(regions), strict=True)
        .to_physical()
        .cast(pl.UInt64)
    )
    at = plan.let((residency.cast(pl.UInt64) * len(regions) + place) * len(places) + kind)
    inside, outside = (at.is_in(numbers[wanted]) if wanted in numbers else False for wanted in (True, False))
    return inside, outside


def known_truth(yes: Truth, no: Truth) -> pl.Expr:
    """Return a fact that is true, false, or, where neither holds, unknown."""
    return pl.when(column(yes)).then(True).when(column(no)).then(False)


def of_fallback(policy: Policy) -> dict[str, pl.Expr]:
    """Return the facts of a proposal, taken from the fallback, but for those that the catalog adds."""
    facts = policy.vocabulary.facts
    found = {name: pl.lit(None, dtype=TYPES[facts[name].type]) for name in facts if name.startswith(_FALLBACK)}
    found |= {f"proposal.{name}": pl.col(_FALLBACK + name) for name in PROPOSED}
    found |= {
        "proposal.present": pl.lit(True),
        "proposal.fallback.present": pl.lit(False),
        "proposal.quantization": pl.lit(_DEFAULT_PRECISION),
    }
    return found
