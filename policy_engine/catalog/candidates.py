"""The models that an option could run, with all that is worked out for them once a day: prices, plans, scores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN, Plan, plans_of
from policy_engine.catalog.entries import Model, Price, Provider, Score
from policy_engine.model.vocabulary import OPTIONS


class Offer(Struct, frozen=True):
    """A provider that serves the model, and its price; each None where it is not known."""

    provider: Provider | None
    price: Price | None


class Candidate(Struct, frozen=True):
    """A model on an option; `meant` None where it is not known whether the option can run it."""

    model: Model
    option: str
    meant: bool | None
    offers: tuple[Offer, ...]
    plans: tuple[Plan, ...]
    scores: Mapping[str, float]
    score_figures: Mapping[str, Score]
    retired: bool

    @property
    def name(self) -> str:
        return self.model.key


class Day(Struct, frozen=True):
    """The candidates of each option on one day, and the context windows there are, in order."""

    candidates: Mapping[str, tuple[Candidate, ...]]
    contexts: tuple[int, ...]


def day_of(catalog: Catalog, at: date) -> Day:
    """Return the candidates on the day `at`; remembered by the catalog."""
    day = catalog.remembered.get(at)
    if day is None:
        day = Day({option: _candidates(catalog, option, at) for option in OPTIONS}, _contexts(catalog))
        catalog.remember(at, day)
    found: Day = day
    return found


def _contexts(catalog: Catalog) -> tuple[int, ...]:
    known = {each.context_tokens for each in catalog.models.values() if each.context_tokens is not None}
    return tuple(sorted(known))


def _candidates(catalog: Catalog, option: str, at: date) -> tuple[Candidate, ...]:
    models = (catalog.models[key] for key in sorted(catalog.models))
    return tuple(
        candidate(catalog, each, option, at) for each in models if meant_for(catalog, each, option) is not False
    )


def candidate(catalog: Catalog, model: Model, option: str, at: date) -> Candidate:
    """Return `model` as a candidate of `option`, meant there or not."""
    self_run = option in SELF_RUN
    scores = {name: found for name in catalog.benchmarks if (found := catalog.score(model.key, name))}
    return Candidate(
        model,
        option,
        meant_for(catalog, model, option),
        () if self_run else _offers(catalog, model, option, at),
        plans_of(catalog, model, option, at) if self_run else (),
        {name: found.score for name, found in scores.items()},
        scores,
        model.retires_on is not None and model.retires_on <= at,
    )


def meant_for(catalog: Catalog, model: Model, option: str) -> bool | None:
    """Tell whether `option` can run `model`: what its entry says, else by its weights, and on the edge by its size."""
    if model.deployments is not None:
        return option in model.deployments
    if model.weights == "closed" or option == "proprietary_api":
        return (model.weights == "closed") == (option == "proprietary_api")
    if option != "edge":
        return True
    return None if model.params_b is None else model.params_b <= catalog.rules.edge_max_parameters_billions


def _offers(catalog: Catalog, model: Model, option: str, at: date) -> tuple[Offer, ...]:
    providers = [each for each in catalog.providers.values() if option in each.options and serves(each, model)]
    priced = ((each, catalog.price(model.key, option, at, each.key)) for each in providers)
    offers = tuple(Offer(each, price) for each, price in priced if _serves_then(each, price))
    return offers or (Offer(None, catalog.price(model.key, option, at)),)


def _serves_then(provider: Provider, price: Price | None) -> bool:
    return not provider.while_priced or (price is not None and price.provider == provider.key)


def serves(provider: Provider, model: Model) -> bool:
    """Tell whether `provider` serves `model`: what its entry says, else all that is open or its own."""
    if provider.serves is not None:
        return model.key in provider.serves
    return model.weights == "open" or model.vendor == provider.key
