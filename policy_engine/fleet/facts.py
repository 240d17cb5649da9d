"""The facts of each row as columns: those declared, and those computed from them and from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from policy_engine.catalog import Catalog, api_price
from policy_engine.facts import DAYS_PER_MONTH, PROPOSED, region_allowed
from policy_engine.fleet.building import Plan, Truth, column
from policy_engine.fleet.columns import declared
from policy_engine.fleet.lookups import UNKNOWN_KEY, Distinct, Table, residency_key, residency_of
from policy_engine.fleet.needed import VOLUME
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_polars import TYPES, divided
from policy_engine.model.fields import LARGEST_COUNT

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


def model_code(catalog: Catalog, codes: Mapping[str, int], name: pl.Expr) -> pl.Expr:
    """Return the number of the model that a column names; null where the catalog does not know it."""
    names = {each: codes[key] for key, model in catalog.models.items() for each in (key, *model.aliases)}
    return name.replace_strict(list(names), list(names.values()), default=None, return_dtype=pl.UInt16)


def licence_of(catalog: Catalog, codes: Mapping[str, int], code: pl.Expr) -> pl.Expr:
    """Return what the licence of the model of that number says; null where that is not known."""
    verdicts = {codes[key]: catalog.licence(key) for key in catalog.models}
    return code.replace_strict(list(verdicts), list(verdicts.values()), default=None, return_dtype=pl.String)


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


def api_spend(catalog: Catalog, codes: Mapping[str, int], reference: str, day: date) -> pl.Expr:
    """Return the declared bill, else the volume at the price of the model in use, else of the reference model."""
    sent, answered = (pl.col(name).cast(pl.Float64) for name in VOLUME)
    prices = {codes[key]: api_price(catalog, key, day) for key in catalog.models}
    rates: list[pl.Expr] = []
    default = api_price(catalog, reference, day)
    in_use = model_code(catalog, codes, pl.col("migration.from.model"))
    for field in ("input_usd_per_million", "output_usd_per_million"):
        known = {code: getattr(price, field) for code, price in prices.items() if price is not None}
        otherwise = getattr(default, field) if default is not None else None
        rates.append(
            in_use.replace_strict(
                list(known), list(known.values()), default=pl.lit(otherwise, dtype=pl.Float64), return_dtype=pl.Float64
            )
        )
    computed = divided(sent * rates[0] + answered * rates[1], 1e6)
    return pl.coalesce(pl.col("budget.api_spend_usd_per_month"), computed)


def regions_allowed(plan: Plan, catalog: Catalog, distinct: Distinct, region: str, prefix: str) -> tuple[Truth, Truth]:
    """Return whether the column `region` lies inside the residency, and whether outside; after the next step."""
    table = Table(prefix, [residency + name for residency, name in distinct.pairs])
    answers = []
    for key, name in distinct.pairs:
        residency = residency_of(key)
        listed = None if residency is None else list(residency)
        answers.append(region_allowed(listed, None if name == UNKNOWN_KEY else name, catalog.regions.contains))
    inside, outside = (table.flags([answer is wanted for answer in answers]) for wanted in (True, False))
    table.look_up(plan, residency_key() + pl.col(region).fill_null(UNKNOWN_KEY))
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
