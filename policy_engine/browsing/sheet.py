"""Everything that the catalog has of one model, each figure with how it stands on a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct

from policy_engine.browsing.offers import Offered, offered
from policy_engine.browsing.sold import Sellers, prices_by_seller
from policy_engine.browsing.standings import Standing, standings
from policy_engine.catalog.candidates import candidate
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry, HostingCost, Licence, Model, Score
from policy_engine.catalog.sizing import QUANTIZATIONS, kv_bytes, weight_bytes

E = TypeVar("E", bound=Entry)


class Memory(Struct, frozen=True):
    """Bytes of the weights, and of the cache of one token, which may be an upper bound; None is unknown."""

    quantization: str
    weights: float | None
    cache_of_token: float | None


class Offerings(Struct, frozen=True):
    """What a model costs on an option, and the providers that serve it there."""

    offered: Offered
    providers: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A model of the catalog on the day `day`."""

    catalog: Catalog
    model: Model
    day: date

    @property
    def retired(self) -> bool:
        return self.model.retires_on is not None and self.model.retires_on <= self.day

    @cached_property
    def licence(self) -> Licence | None:
        return self.catalog.licences[self.model.licence] if self.model.licence is not None else None

    @cached_property
    def prices(self) -> Sellers:
        """Every price by option and seller; None is the vendor of closed weights, or who has no price of their own."""
        return prices_by_seller(self.catalog, self.model, self.day)

    @cached_property
    def scores(self) -> Mapping[str, tuple[Standing[Score], ...]]:
        """Every score by benchmark; scores count whatever the day is."""
        return self._by(self.of(self.catalog.scores), lambda each: each.benchmark, dated=False)

    @cached_property
    def hosting(self) -> tuple[Standing[HostingCost], ...]:
        """What hosting this very model costs; the engine takes the one that counts."""
        return standings(self.of(self.catalog.hosting_costs), self.day, self.catalog.sides)

    @cached_property
    def offerings(self) -> tuple[Offerings, ...]:
        """The options that can run it, or of which it is not known."""
        found = []
        for each in offered(self.catalog, self.model, self.day):
            if each.meant is not False:
                offers = candidate(self.catalog, self.model, each.option, self.day).offers
                found.append(Offerings(each, tuple(one.provider.key for one in offers if one.provider)))
        return tuple(found)

    @cached_property
    def memory(self) -> tuple[Memory, ...]:
        """Weights and cache at each quantization; nothing of closed weights, which nobody else holds."""
        if self.model.weights == "closed":
            return ()
        return tuple(
            Memory(each, weight_bytes(self.model, each), kv_bytes(self.model, each, 1)) for each in QUANTIZATIONS
        )

    @cached_property
    def routes(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.catalog.routes.values() if self.model.key in each.models)

    @cached_property
    def disputes(self) -> tuple[str, ...]:
        """The disputes about the model, its licence, and any figure of it."""
        return tuple(sorted({name for entry in self._entries() for name in entry.disputes}))

    def of(self, section: Mapping[str, E]) -> tuple[E, ...]:
        """Return the entries of `section` that speak of this model."""
        return tuple(each for each in section.values() if getattr(each, "model", None) == self.model.key)

    def _entries(self) -> Iterator[Entry]:
        yield self.model
        if self.licence is not None:
            yield self.licence
        catalog = self.catalog
        for section in (catalog.prices, catalog.scores, catalog.hosting_costs, catalog.ownership_costs):
            yield from self.of(section)
        for beside in (catalog.cost_examples, catalog.speeds, catalog.memory_requirements):
            yield from self.of(beside)
        yield from self.routes

    def _by(self, entries: Iterable[E], key: Any, dated: bool = True) -> Mapping[Any, tuple[Standing[E], ...]]:
        groups: dict[Any, list[E]] = {}
        for each in entries:
            groups.setdefault(key(each), []).append(each)
        order = sorted(groups, key=str)
        return {name: standings(groups[name], self.day, self.catalog.sides, dated=dated) for name in order}
