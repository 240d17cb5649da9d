"""The answer for one option: what was chosen, and, put into words when it is read, why the others were not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from policy_engine.catalog.candidates import Offer
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN, Cost, plan_cost, price_cost
from policy_engine.catalog.entries import Entry, Route
from policy_engine.catalog.needs import Considered
from policy_engine.catalog.qualify import Rated, context_text
from policy_engine.catalog.regions import ANYWHERE
from policy_engine.catalog.slate import Asked, Pick, Slate, cost_of, figure_of, offer_of, scores_read, undominated
from policy_engine.catalog.wording import considered, lost, why_not


class OptionModels:
    """What the catalog has for one option.

    `available` is True where a model surely meets the needs, False where none can or the option is not meant here, None
    where that is not known: then `missing` names the facts that would tell, and `provisional` the model to expect.
    """

    __slots__ = ("_catalog", "_considered", "_pick", "_route", "_slate", "asked", "available", "missing")

    def __init__(
        self,
        catalog: Catalog,
        asked: Asked,
        *,
        available: bool | None,
        missing: tuple[str, ...],
        slate: Slate,
        pick: Pick | None = None,
        route: Route | None = None,
    ) -> None:
        self.asked, self.available, self.missing = asked, available, missing
        self._catalog, self._slate, self._pick, self._route = catalog, slate, pick, route
        self._considered: tuple[Considered, ...] | None = None

    @property
    def option(self) -> str:
        return self.asked.option

    @property
    def chosen(self) -> Considered | None:
        """The model to use, where one surely meets the needs."""
        return self._picked() if self.available else None

    @property
    def provisional(self) -> Considered | None:
        """The model that would come first if what is not known turned out well."""
        return self._picked() if self.available is None else None

    def naming(self, name: str | None, provider: str | None = None) -> OptionModels:
        """Return the same answer with `name` as the model to use, so that costs and figures are those of it.

        Of a model that the option does not run, or that is not named, nothing is known: never another one's price. The
        same holds of a `provider` that is named: one that does not serve the model has no price.
        """
        model = self._catalog.model(name)
        rated = next((each for each in self._slate.all if model is not None and each.name == model.key), None)
        pick, needs = None, self.asked.needs
        if rated is not None:
            rated = rated if provider is None else self._at(rated, provider)
            pick = Pick(rated, cost_of(rated, needs.input_tokens_per_month, needs.output_tokens_per_month))
        return OptionModels(
            self._catalog,
            self.asked,
            available=self.available,
            missing=self.missing,
            slate=self._slate,
            pick=pick,
            route=self._route,
        )

    def _at(self, rated: Rated, provider: str) -> Rated:
        """Return `rated` with the offer of one provider alone, whether residency leaves it or not."""
        if self.option in SELF_RUN:
            return rated
        own = self._offer(rated, provider)
        return replace(rated, offers=(own or Offer(self._catalog.providers.get(provider), None),))

    def offers(self, name: str, provider: str) -> bool | None:
        """Tell whether `provider` offers the model `name` here; None where the catalog knows of no such model here."""
        model = self._catalog.model(name)
        rated = next((each for each in self._slate.all if model is not None and each.name == model.key), None)
        return None if rated is None else self._offer(rated, provider) is not None

    def _offer(self, rated: Rated, provider: str) -> Offer | None:
        """Return what `provider` asks. Of one that is not known a price that names nobody counts, and no vendor's."""
        catalog, model = self._catalog, rated.candidate.model
        offers = rated.candidate.offers
        own = next((each for each in offers if each.provider is not None and each.provider.key == provider), None)
        if own is not None or provider in catalog.providers or model.weights == "closed":
            return own
        price = catalog.price(model.key, self.option, self.asked.at)
        return Offer(None, price) if price is not None else None

    @property
    def volume_decides(self) -> bool:
        """Whether an unknown volume leaves open which of several models is the cheapest."""
        return self.asked.needs.tokens_per_month is None and len(undominated(self._slate.sure)) > 1

    @property
    def routed_to(self) -> tuple[str, ...]:
        """The models that a source's router names for such a task, where the workload has several."""
        return self._route.models if self._route is not None else ()

    @property
    def contenders(self) -> tuple[Rated, ...]:
        """The candidates that surely meet the needs."""
        return self._slate.sure

    @property
    def doubtful(self) -> frozenset[str]:
        """The names of the candidates of which it is not known whether they meet the needs."""
        return frozenset(each.name for each in self._slate.maybe)

    @property
    def monthly_usd(self) -> float | None:
        """The monthly cost of the model that is chosen or provisional."""
        return self._pick.cost[0] if self._pick and self._pick.cost else None

    @property
    def at_least(self) -> bool:
        """Whether that cost is a floor."""
        if self._pick is None or self._pick.cost is None or self.option not in SELF_RUN:
            return False
        return self._pick.rated.plans[self._pick.cost[1]].at_least

    @property
    def model(self) -> str | None:
        """The name of the model that is chosen or provisional."""
        return self._pick.rated.name if self._pick else None

    @property
    def considered(self) -> tuple[Considered, ...]:
        """Every model that the option could run, in the order of names, each with the reason it lost."""
        if self._considered is None:
            self._considered = tuple(self._consider(each) for each in self._slate.all)
        return self._considered

    def rows(self) -> list[dict[str, Any]]:
        """Return what a decision's document says of every model, in the order of names."""
        needs, pick, context = self.asked.needs, self._pick, context_text(self.asked.needs)
        into, out = needs.input_tokens_per_month, needs.output_tokens_per_month
        found = []
        for rated in self._slate.all:
            cost = cost_of(rated, into, out)
            quantization = rated.quantization
            if quantization is None and cost is not None and rated.plans:
                quantization = rated.plans[cost[1]].quantization
            reasons = rated.said(context)
            if pick is not None and rated.qualifies and rated is not pick.rated:
                reasons.append(lost(self._catalog, Pick(rated, cost), pick, needs, self._route))
            found.append(
                {
                    "name": rated.candidate.model.key,
                    "qualifies": rated.qualifies,
                    "reasons": reasons,
                    "monthly_usd": cost[0] if cost is not None else None,
                    "quantization": quantization,
                }
            )
        return found

    @property
    def why(self) -> tuple[str, ...]:
        """Why the option is not available, or not known to be."""
        if self.available:
            return ()
        if not self._slate.all:
            if self.option == "edge" and self.asked.needs.edge_wanted is False:
                return (
                    "edge is not meant here: neither `needs.edge` nor a latency under the edge parameter asks for it",
                )
            return (f"the catalog has no model for {self.option}",)
        models = why_not(self._slate, self.asked.needs, self.available) if not self._slate.sure else ()
        if self.available is None and self.option == "edge" and self.asked.needs.edge_wanted is None:
            return ("whether edge is meant is not known: `needs.edge` or the latency would tell", *models)
        return models

    @property
    def advice(self) -> tuple[str, ...]:
        """What to look into, without effect on the choice."""
        residency = self.asked.needs.residency
        if self._pick is None or not residency or ANYWHERE in residency or self.option in SELF_RUN:
            return ()
        provider = offer_of(self._pick).provider
        if provider is not None and provider.regions is not None:
            return ()
        who = f"`{provider.key}`" if provider else f"the provider of {self._pick.rated.name}"
        where = ", ".join(residency)
        return (f"the catalog does not know the regions of {who}: make sure that it processes inside {where}",)

    @property
    def cost(self) -> Cost | None:
        """The cost of the model that is chosen or provisional, with its parts and figures."""
        if self._pick is None or self._pick.cost is None:
            return None
        rated, index = self._pick.rated, self._pick.cost[1]
        into, out = self.asked.needs.input_tokens_per_month or 0.0, self.asked.needs.output_tokens_per_month or 0.0
        if self.option in SELF_RUN:
            return plan_cost(self._catalog, rated.plans[index], into + out, self.asked.at)
        price = rated.offers[index].price
        return price_cost(self._catalog, price, into, out, self.asked.at) if price else None

    @property
    def figures(self) -> tuple[Entry, ...]:
        """The figures that the model which is chosen or provisional rests on: its price, and the scores asked for."""
        if self._pick is None:
            return ()
        figure = figure_of(self._pick.rated, self._pick.cost)
        scores = self._pick.rated.candidate.score_figures
        read = [scores[name] for name in scores_read(self.asked.needs) if name in scores]
        return (*((figure,) if figure else ()), *read)

    @property
    def stale(self) -> tuple[str, ...]:
        """The keys of those figures that are older than a figure may be."""
        return tuple(each.key for each in self.figures if self._catalog.is_stale(each, self.asked.at))

    @property
    def valid_until(self) -> date | None:
        """The last day on which model and figures are known to stand; None where no end is known."""
        ends = [each.valid_to for each in self.figures if each.valid_to is not None]
        retires = self._pick.rated.candidate.model.retires_on if self._pick else None
        return min([*ends, *([retires - timedelta(days=1)] if retires else [])], default=None)

    @property
    def disputes(self) -> tuple[str, ...]:
        """The disputes about any figure that was compared, that of a model which lost among them."""
        route = self._route.disputes if self._route else ()
        picked = self._picked()
        return tuple(sorted({*route, *self._slate.disputes, *(picked.disputes if picked else ())}))

    def of(self, name: str) -> Considered | None:
        """Return what was found of one model; None where it was not considered."""
        model = self._catalog.model(name)
        found = (each for each in self._slate.all if model is not None and each.name == model.key)
        return next((self._consider(each) for each in found), None)

    def _picked(self) -> Considered | None:
        return self._consider(self._pick.rated) if self._pick else None

    def _consider(self, rated: Rated) -> Considered:
        needs = self.asked.needs
        cost = cost_of(rated, needs.input_tokens_per_month, needs.output_tokens_per_month)
        extra: tuple[str, ...] = ()
        if self._pick is not None and rated.qualifies and rated is not self._pick.rated:
            extra = (lost(self._catalog, Pick(rated, cost), self._pick, needs, self._route),)
        return considered(self._catalog, rated, needs, cost, extra)
