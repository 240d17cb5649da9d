"""Place quotes in the catalog: as prices of models that it knows, as new models, or as skipped, with the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set
from datetime import date
from typing import NamedTuple

from msgspec import Struct

from policy_engine.catalog import Catalog
from policy_engine.pricing.quotes import Quote, SourceData
from policy_engine.pricing.table import OTHER_WORK, Seller, is_own, seller_of

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")
_REGIONLESS = "global"
_LONGEST_NOTE = 1000


class Slot(NamedTuple):
    """What a price is of; a provider has one for each."""

    model: str
    option: str
    provider: str
    region: str


class Offer(Struct, frozen=True):
    """A price as it is to stand in the catalog: dollars per million tokens.

    `regions` are where it is offered: empty is anywhere, and None not known.
    """

    slot: Slot
    input: float
    output: float
    note: str | None
    name: str
    new: bool
    context_tokens: int | None
    retires_on: date | None
    regions: tuple[str, ...] | None


class Skipped(NamedTuple):
    """A quote that was not placed, by the source's names, and why."""

    provider: str
    name: str
    reason: str


class Placed(Struct, frozen=True):
    """The offers by slot, what was skipped, and how many quotes are of providers that nobody asked for."""

    offers: dict[Slot, Offer]
    skipped: tuple[Skipped, ...]
    not_asked: int


def place(data: SourceData, catalog: Catalog, named: Set[str]) -> Placed:
    """Place the quotes of `data`: of the providers in `catalog`, and of those that are `named`.

    New models come from named providers alone. `catalog` is without what was refreshed from this source before.
    """
    offers: dict[Slot, Offer] = {}
    skipped: list[Skipped] = []
    not_asked: Counter[str] = Counter()
    for quote in data.quotes:
        found = seller_of(data.name, quote.provider)
        if found is None or not _is_asked(found, catalog, named):
            not_asked[quote.provider] += 1
            continue
        key, seller = found
        made = _offer(data, quote, key, seller, catalog, seller.key in named)
        if isinstance(made, Offer) and made.slot in offers:
            made = f"`{offers[made.slot].name}` is taken for the same model"
        if isinstance(made, Offer):
            offers[made.slot] = made
        else:
            skipped.append(Skipped(quote.provider, quote.name, made))
    return Placed(offers, tuple(skipped), not_asked.total())


def _is_asked(found: tuple[str, Seller], catalog: Catalog, named: Set[str]) -> bool:
    key, seller = found
    return key in named or seller.key in named or key in catalog.providers


def _offer(data: SourceData, quote: Quote, key: str, seller: Seller, catalog: Catalog, adds: bool) -> Offer | str:
    model = _known(data.name, quote.name, seller, catalog)
    reason = None if model is not None else _no_new(quote.name, seller, catalog, adds)
    if reason is not None:
        return reason
    region, why = _region(quote, catalog)
    if why is not None or quote.problem is not None:
        return quote.problem or why or ""
    # both are numbers: `problem` says otherwise
    into, out = (float(each) for each in (quote.input, quote.output) if each is not None)
    name = model or quote.name
    note = "; ".join([*([f"listed as {quote.name}"] if name != quote.name else []), *quote.notes])[:_LONGEST_NOTE]
    slot = Slot(name, seller.option, key, region)
    return Offer(
        slot,
        into,
        out,
        note or None,
        quote.name,
        model is None,
        quote.context_tokens,
        quote.retires_on,
        _regions(quote, catalog),
    )


def _regions(quote: Quote, catalog: Catalog) -> tuple[str, ...] | None:
    """Return the regions that a quote states, none where that is anywhere; None where what it states is not known."""
    if quote.regions is None:
        return None
    if _REGIONLESS in quote.regions:
        return ()
    return quote.regions if all(each in catalog.regions.by_name for each in quote.regions) else None


def _known(source: str, name: str, seller: Seller, catalog: Catalog) -> str | None:
    """Return the catalog's model that `name` is at the seller; None where that is not known."""
    by_table = seller.names[source].get(name)
    if by_table is not None:
        return by_table if by_table in catalog.models else None
    found = catalog.models.get(name)
    # the very name at the very vendor: what the catalog has of it came from there
    own = found is not None and found.weights == "closed" and found.vendor == seller.key
    return name if own and is_own(seller, name) else None


def _no_new(name: str, seller: Seller, catalog: Catalog, adds: bool) -> str | None:
    """Say why no new model is made of `name`; None where one is."""
    if not is_own(seller, name):
        if seller.own is None or name.startswith(seller.foreign or ("\0",)):
            return "no model of the catalog goes by that name there; weights, licence and size are not in a price list"
        return "it is no model of that vendor's own with closed weights, as far as is known"
    if not adds:
        return f"the catalog does not have it; --provider {seller.key} adds its models"
    if not _KEY.fullmatch(name):
        return "its name is none that the catalog takes"
    if catalog.model(name) is not None:
        return "the catalog has another model of that name"
    if OTHER_WORK.intersection(re.split(r"[^a-z0-9]+", name.lower())):
        return "by its name it is for other work than text"
    return None


def _region(quote: Quote, catalog: Catalog) -> tuple[str, str | None]:
    """Return the region of a price ("" where none is stated), or why it cannot be placed in it."""
    if "/" not in quote.provider:
        return "", None
    region = quote.provider.partition("/")[2]
    if region not in catalog.regions.by_name:
        return "", f"the catalog does not know the region {region}"
    return region, None
