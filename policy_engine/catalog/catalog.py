"""The catalog in force: entries of all layers, the figures that count, and the other sides of disputes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

from policy_engine.catalog import entries as e
from policy_engine.catalog.figures import amount, caution, in_force, preferred, takes_side
from policy_engine.catalog.regions import NO_PLACES, Places, Regions
from policy_engine.catalog.rules import Rules
from policy_engine.model.vocabulary import THIRD_PARTY

LicenceVerdict = Literal["allowed", "review", "forbidden", "proprietary"]
MOST_REMEMBERED = 4096


class Catalog:
    """Everything that the catalog's layers say; made by `build_catalog`, and never changed.

    `digest` is over all entries in force, `as_of` the newest day of a figure. The sections hold entries by key; names
    and aliases are resolved by `model` and `gpu`.
    """

    def __init__(
        self,
        built: Mapping[str, Mapping[str, Any]],
        names: Mapping[str, Mapping[str, str]],
        rules: Rules,
        document: bytes,
        sides: Mapping[str, str] | None = None,
    ) -> None:
        self._built, self._names, self.rules = built, names, rules
        #: The entries in force as canonical bytes, which `digest` is the SHA-256 of.
        self.document = document
        self.digest = f"sha256:{hashlib.sha256(document).hexdigest()}"
        self.sides: Mapping[str, str] = MappingProxyType(dict(sides or {}))
        self.models: Mapping[str, e.Model] = _read_only(built["models"])
        self.prices: Mapping[str, e.Price] = _read_only(built["prices"])
        self.hosting_costs: Mapping[str, e.HostingCost] = _read_only(built["hosting_costs"])
        self.ownership_costs: Mapping[str, e.OwnershipCost] = _read_only(built["ownership_costs"])
        self.cost_examples: Mapping[str, e.CostExample] = _read_only(built["cost_examples"])
        self.scores: Mapping[str, e.Score] = _read_only(built["scores"])
        self.benchmarks: Mapping[str, e.Benchmark] = _read_only(built["benchmarks"])
        self.benchmark_leaders: Mapping[str, e.BenchmarkLeader] = _read_only(built["benchmark_leaders"])
        self.speeds: Mapping[str, e.Speed] = _read_only(built["speeds"])
        self.memory_requirements: Mapping[str, e.MemoryRequirement] = _read_only(built["memory_requirements"])
        self.routes: Mapping[str, e.Route] = _read_only(built["routes"])
        self.licences: Mapping[str, e.Licence] = _read_only(built["licences"])
        self.gpus: Mapping[str, e.Gpu] = _read_only(built["gpus"])
        self.providers: Mapping[str, e.Provider] = _read_only(built["providers"])
        self.sources: Mapping[str, e.Source] = _read_only(built["sources"])
        self.disputes: Mapping[str, e.Dispute] = _read_only(built["disputes"])
        self.regions = Regions(built["regions"], names["regions"])
        placed = dict.fromkeys(each.regions for each in self.providers.values() if each.regions)
        #: The regions of providers that the catalog knows, each once.
        self.provider_places: tuple[tuple[str, ...], ...] = tuple(sorted(filter(None, placed)))
        self._model_by_name = {name: self.models[key] for name, key in names["models"].items()}
        self._gpu_by_name = {name: self.gpus[key] for name, key in names["gpus"].items()}
        self._prices_of = _grouped(self.prices.values(), lambda each: (each.model, each.option))
        self._hosting_of = _grouped(self.hosting_costs.values(), lambda each: each.model)
        self._scores_of = _grouped(self.scores.values(), lambda each: (each.model, each.benchmark))
        self._others: dict[tuple[str, str], Catalog] = {}
        self.as_of = max(_days(self.stated()), default=date.min)
        #: What was worked out already, by whatever works it out; emptied when it grows too large.
        self.remembered: dict[Any, Any] = {}

    def stated(self) -> Iterator[e.Entry]:
        """Yield every entry that has a source and a day."""
        for section in self._built.values():
            for entry in section.values():
                if isinstance(entry, e.Entry):
                    yield entry

    def model(self, name: str | None) -> e.Model | None:
        """Return the model of that name or alias; None where the catalog does not know it."""
        return self._model_by_name.get(name) if name is not None else None

    def places(self, option: str | None, provider: str | None) -> Places:
        """Return where a proposal on `option` would run by its provider: machines of one's own hang on none."""
        if option not in THIRD_PARTY or not self.provider_places:
            return NO_PLACES
        if provider is None:
            return Places(perhaps=self.provider_places)
        found = self.providers.get(provider)
        return Places(found.regions or None) if found is not None else NO_PLACES

    def gpu(self, name: str | None) -> e.Gpu | None:
        """Return the device of exactly that name or alias; a name that only looks like one stays unknown."""
        return self._gpu_by_name.get(name) if name is not None else None

    def licence(self, name: str | None) -> LicenceVerdict | None:
        """Return what the licence of the model `name` says of commercial use; None where it is not known."""
        model = self.model(name)
        if model is None:
            return None
        if model.weights == "closed":
            return "proprietary"
        return self.licences[model.licence].commercial if model.licence is not None else None

    def price_history(self, model: str, option: str | None = None) -> tuple[e.Price, ...]:
        """Return every price of `model`, whenever it counts, the oldest first."""
        found = self.model(model)
        key = found.key if found else model
        prices = (each for each in self.prices.values() if each.model == key and option in (None, each.option))
        return tuple(sorted(prices, key=lambda each: (each.starts, each.key)))

    def price(self, model: str, option: str, at: date, provider: str | None = None) -> e.Price | None:
        """Return the price in force on the day `at`: the provider's own, else one that names no provider.

        A model with closed weights is sold by its vendor: a price that names nobody is the vendor's. Of prices by
        region the dearest counts, for nobody knows which region serves a request.
        """
        found = self.model(model)
        prices = [p for p in self._prices_of.get((found.key if found else model, option), ()) if in_force(p, at)]
        vendor = found.vendor if found is not None and found.weights == "closed" else None
        general = [each for each in prices if each.provider in (None, vendor)]
        own = general if provider in (None, vendor) else [each for each in prices if each.provider == provider]
        return self._of_all_regions(own or general)

    def sells_own(self, model: str, provider: str | None) -> bool:
        """Tell whether `provider` is the vendor of `model`, whose weights are closed."""
        found = self.model(model)
        return found is not None and found.weights == "closed" and found.vendor == provider

    def _of_all_regions(self, prices: list[e.Price]) -> e.Price | None:
        if all(each.region is None for each in prices):
            return preferred(prices, self.sides)
        by_region: dict[str | None, list[e.Price]] = _grouped(prices, lambda price: price.region)
        known = [found for each in by_region.values() if (found := preferred(each, self.sides)) is not None]
        known.sort(key=lambda each: (takes_side(each, self.sides), each.rank, caution(each), each.key))
        return known[-1]

    def score(self, model: str, benchmark: str) -> e.Score | None:
        """Return the score that counts of `model` in `benchmark`."""
        found = self.model(model)
        return preferred(self._scores_of.get((found.key if found else model, benchmark), ()), self.sides)

    def hosting(self, model: str, at: date) -> e.HostingCost | None:
        """Return what hosting `model` costs by a figure of its own, or by a side of its dispute that is asked for.

        A figure of self-hosting at large counts only there, and for a model whose own figure it disputes.
        """
        own = [each for each in self._hosting_of.get(model, ()) if in_force(each, at)]
        disputed = {dispute for each in own for dispute in each.disputes}
        at_large = [
            each
            for each in self._hosting_of.get(None, ())
            if each.gpu is None and each.device is None and in_force(each, at)
            if takes_side(each, self.sides) and disputed & {*each.disputes} & {*self.sides}
        ]
        return preferred(at_large or own, self.sides)

    def is_stale(self, entry: e.Entry, at: date) -> bool:
        """Tell whether `entry` is older on the day `at` than a figure may be."""
        return (at - entry.as_of).days > self.rules.catalog_stale_days

    def with_figures(self, dispute: str, side: str) -> Catalog:
        """Return this catalog with the figures of `side` counting in `dispute`; entries and digest are the same."""
        key = (dispute, side)
        if key not in self._others:
            sides = {**self.sides, dispute: side}
            self._others[key] = Catalog(self._built, self._names, self.rules, self.document, sides)
        return self._others[key]

    def other_sides(self, dispute: str, at: date) -> tuple[str, ...]:
        """Return the sides of `dispute` whose figures would differ from those that count on the day `at`."""
        sides: tuple[str, ...] | None = self.remembered.get(("sides", dispute, at))
        if sides is None:
            found: set[str] = set()
            for counts, figures in self._contests(at):
                if counts is not None and dispute in counts.disputes:
                    found.update(_rivals(counts, figures, dispute, at))
            sides = tuple(sorted(found))
            self.remember(("sides", dispute, at), sides)
        return sides

    def _contests(self, at: date) -> Iterator[tuple[e.Entry | None, list[e.Entry]]]:
        """Yield the figure that counts beside all that speak of the same thing."""
        by_provider = _grouped(self.prices.values(), self.seller_of)
        for figures in [*by_provider.values(), *self._scores_of.values(), *self._routes_of_one_kind()]:
            yield preferred([each for each in figures if in_force(each, at)], self.sides), figures
        for model, own in self._hosting_of.items():
            if model is not None:
                yield self.hosting(model, at), [*own, *self._hosting_of.get(None, ())]

    def seller_of(self, price: e.Price) -> tuple[str, str, str | None]:
        """Return what a price is of: that of a vendor for its own closed weights may name it, or nobody."""
        provider = None if self.sells_own(price.model, price.provider) else price.provider
        return price.model, price.option, provider

    def _routes_of_one_kind(self) -> list[list[e.Entry]]:
        disputed = (route for route in self.routes.values() if route.disputes)
        return list(_grouped(disputed, lambda each: each.disputes).values())

    def remember(self, key: Any, value: Any) -> None:
        """Keep `value` for the next time that it is asked for."""
        if len(self.remembered) >= MOST_REMEMBERED:
            self.remembered.clear()
        self.remembered[key] = value


def _read_only(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(entries))


def _grouped(entries: Iterable[Any], key: Any) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for each in entries:
        found.setdefault(key(each), []).append(each)
    return found


def _rivals(counts: e.Entry, figures: Iterable[e.Entry], dispute: str, at: date) -> Iterator[str]:
    """Yield a side for each other amount that `figures` name in `dispute`: the newest that states it."""
    said = {amount(counts)}
    for each in sorted(figures, key=lambda each: (each.starts, each.key), reverse=True):
        if dispute in each.disputes and in_force(each, at) and amount(each) not in said:
            said.add(amount(each))
            yield each.side


def _days(entries: Iterable[e.Entry]) -> Iterator[date]:
    for entry in entries:
        yield entry.as_of
        if isinstance(entry, e.Model):
            yield from (day for _, day in entry.sources.values())
