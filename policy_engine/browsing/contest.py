"""A dispute with all that rests on it: figures and which of them count, parameters, rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct

from policy_engine.browsing.sold import Sellers, prices_by_seller
from policy_engine.browsing.standings import Standing, standings
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Entry, HostingCost, Price, Route, Score
from policy_engine.catalog.figures import in_force, precedence
from policy_engine.model.rule import Dispute, Parameter, Rule, RuleSet

E = TypeVar("E", bound=Entry)
SPEND = "cost.api_spend_usd_per_month"
REFERENCE = "reference_model"
_CRITERION = re.compile(r"\b[A-Z]+-\d+\b")
_BY_HARDWARE = "self-hosting is costed by the hour of hardware, and never by the token"
_AT_LARGE = "it speaks of self-hosting at large, and counts only as a side that is asked for"


class Thing(Struct, frozen=True):
    """What several figures speak of, and how each of them stands."""

    name: str
    standings: tuple[Standing[Any], ...]

    @property
    def counts(self) -> Entry | None:
        """The figure that counts."""
        return next((each.figure for each in self.standings if each.counts), None)


class Resting(Struct, frozen=True):
    """A rule that rests on a dispute, and why."""

    rule: Rule
    why: str


@dataclass(frozen=True)
class Contest:
    """A dispute of the register on the day `day`."""

    catalog: Catalog
    rules: RuleSet
    dispute: Dispute
    day: date

    def of(self, section: Mapping[str, E]) -> tuple[E, ...]:
        """Return the entries of `section` that the dispute is about."""
        return tuple(each for each in section.values() if self.dispute.id in each.disputes)

    def in_force(self, section: Mapping[str, E]) -> tuple[E, ...]:
        """Return the entries of `section` that the dispute is about, of those in force on the day."""
        return tuple(each for each in self.of(section) if in_force(each, self.day))

    def newest(self, prices: Iterable[Price]) -> list[Price]:
        """Return the price in force of each side, in each region, of each seller, in the order of their days.

        What a side said before is history, and what it will say is none of its words yet: neither is a dispute.
        """
        found: dict[object, Price] = {}
        for each in sorted(prices, key=lambda one: precedence(one, {})):
            if in_force(each, self.day):
                found[*self.catalog.seller_of(each), each.side, each.region] = each
        return sorted(found.values(), key=lambda one: (one.starts, one.key))

    @cached_property
    def figures(self) -> tuple[Entry, ...]:
        """Every entry of the catalog that the dispute is about."""
        return tuple(each for each in self.catalog.stated() if self.dispute.id in each.disputes)

    @cached_property
    def things(self) -> tuple[Thing, ...]:
        """What is disputed, each with all figures that there are of it, and the one that counts."""
        return (*self._prices(), *self._scores(), *self._hosting(), *self._routes())

    @cached_property
    def others(self) -> tuple[Entry, ...]:
        """Entries that are compared with no other: what they say stands beside it."""
        return tuple(each for each in self.figures if not isinstance(each, Price | Score | HostingCost | Route))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters for which a side of the dispute has another value."""
        named = sorted(self.rules.parameters.items())
        return tuple(each for _, each in named if any(other.dispute == self.dispute.id for other in each.alternatives))

    @cached_property
    def resting(self) -> tuple[Resting, ...]:
        """The rules that say so, that read a disputed parameter or price, or that are about the same criteria."""
        names = {each.name for each in self.parameters}
        priced = any(each.model == self._reference for each in self.of(self.catalog.prices))
        text = " ".join(each.says for each in self.dispute.parties) or self.dispute.sides
        criteria = {*_CRITERION.findall(text)} & {*self.rules.criteria}
        found = []
        for rule in self.rules.rules:
            read = sorted(names & rule.parameters)
            if self.dispute.id in rule.disputes:
                found.append(Resting(rule, "names it"))
            elif read:
                found.append(Resting(rule, f"reads {', '.join(f'param.{name}' for name in read)}"))
            elif priced and SPEND in rule.reads:
                found.append(Resting(rule, f"reads {SPEND}, which the price is for"))
            elif criteria & {*rule.criteria}:
                found.append(Resting(rule, f"is about {', '.join(sorted(criteria & {*rule.criteria}))}"))
        return tuple(found)

    def sold(self, model: str) -> Sellers:
        """Return every price of `model` by option and seller."""
        if model not in self._sold:
            self._sold[model] = prices_by_seller(self.catalog, self.catalog.models[model], self.day)
        return self._sold[model]

    @cached_property
    def _sold(self) -> dict[str, Sellers]:
        return {}

    @property
    def reference(self) -> str | None:
        """The model whose price turns volume into spend, by its name in the catalog."""
        return self._reference

    @cached_property
    def _reference(self) -> str | None:
        value = self.rules.parameters[REFERENCE].value if REFERENCE in self.rules.parameters else None
        found = self.catalog.model(str(value))
        return found.key if found else None

    def _prices(self) -> Iterator[Thing]:
        for model, option, provider in _keys(self.catalog.seller_of(each) for each in self.of(self.catalog.prices)):
            found = self.sold(model)[option, provider]
            if option in SELF_RUN:
                found = tuple(Standing(each.figure, each.state, _BY_HARDWARE) for each in found)
            yield Thing(f"{model} on {option}{f' at {provider}' if provider else ''}", found)

    def _scores(self) -> Iterator[Thing]:
        for model, benchmark in _keys((each.model, each.benchmark) for each in self.of(self.catalog.scores)):
            own = [e for e in self.catalog.scores.values() if (e.model, e.benchmark) == (model, benchmark)]
            title = self.catalog.benchmarks[benchmark].title
            yield Thing(f"{title} of {model}", standings(own, self.day, self.catalog.sides, dated=False))

    def _hosting(self) -> Iterator[Thing]:
        every = self.catalog.hosting_costs.values()
        tagged = self.of(self.catalog.hosting_costs)
        for model in _keys(each.model for each in tagged if each.model is not None):
            found = standings([each for each in every if each.model == model], self.day, self.catalog.sides)
            yield Thing(f"hosting of {model}", found)
        for gpu in _keys(each.gpu for each in tagged if each.model is None and each.gpu is not None):
            own = [each for each in every if each.model is None and each.gpu == gpu]
            yield Thing(f"hour of {gpu}", standings(own, self.day, self.catalog.sides))
        large = [each for each in tagged if each.model is None and each.gpu is None]
        if large:
            yield Thing("self-hosting at large", tuple(Standing(each, "unused", _AT_LARGE) for each in large))

    def _routes(self) -> Iterator[Thing]:
        tagged = self.of(self.catalog.routes)
        if tagged:
            yield Thing("models that routers name", standings(tagged, self.day, self.catalog.sides))


def _keys(found: Iterable[Any]) -> list[Any]:
    return sorted(dict.fromkeys(found), key=str)
