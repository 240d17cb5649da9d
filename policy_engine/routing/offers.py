"""The deployments that could stand in for one: every model that surely meets the needs, by option, provider and region.

Nothing here says that one is allowed: each is judged before it is a leg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from policy_engine.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Provider
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import ANYWHERE
from policy_engine.routing.legs import Leg, priced


def offers(catalog: Catalog, result: TaskResult) -> list[Leg]:
    """Return what could be a leg of the task, the best first: by the ranking of options, the chosen model, the cost."""
    found = []
    for place, option in enumerate(ranked(result)):
        models = result.models[option]
        for leg in _of_option(catalog, result, option):
            usd = inf if leg.usd_per_month is None else leg.usd_per_month
            order = (place, leg.model != models.model, usd, leg.model or "", leg.provider or "")
            found.append((order, leg))
    return [leg for _, leg in sorted(found, key=lambda each: each[0])]


def recommended(catalog: Catalog, result: TaskResult) -> Leg | None:
    """Return the option and model that the decision names first, even where it is not permitted; None for nothing."""
    option = result.ranking.recommended or result.ranking.provisional
    if option is None:
        return None
    models = result.models[option]
    chosen = models.chosen or models.provisional
    if chosen is None:
        return Leg(option, None, origin="recommendation")
    provider = catalog.providers.get(chosen.provider) if chosen.provider is not None else None
    region = region_of(catalog, result.facts, option, provider)
    leg = Leg(option, chosen.name, chosen.provider, region, chosen.quantization, "recommendation")
    return priced(catalog, result, leg)


def ranked(result: TaskResult) -> Sequence[str]:
    """Return the options as a decision ranks them, whatever their status."""

    def key(option: str) -> tuple[int, float, int]:
        standing = result.standings[option]
        usd = inf if standing.monthly_usd is None else standing.monthly_usd
        return -standing.score, usd, OPTIONS.index(option)

    return sorted(OPTIONS, key=key)


def _of_option(catalog: Catalog, result: TaskResult, option: str) -> Iterator[Leg]:
    for rated in result.models[option].contenders:
        if option in SELF_RUN:
            region = region_of(catalog, result.facts, option, None)
            leg = Leg(option, rated.name, region=region, quantization=rated.quantization or "bf16")
            yield priced(catalog, result, leg)
            continue
        for offer in rated.offers:
            name = offer.provider.key if offer.provider is not None else None
            region = region_of(catalog, result.facts, option, offer.provider)
            yield priced(catalog, result, Leg(option, rated.name, name, region))


def region_of(catalog: Catalog, facts: Mapping[str, Any], option: str, provider: Provider | None) -> str | None:
    """Return where the deployment would process: the first of the provider's regions that residency surely admits.

    Machines of one's own stand where the workload says that they do. None where nobody says.
    """
    if option in SELF_RUN:
        own = facts.get("proposal.region") if facts.get("proposal.deployment") == option else None
        region: str | None = facts.get("hardware.region") or own
        return region
    regions = provider.regions if provider is not None else None
    if not regions:
        return None
    residency = facts.get("data.residency")
    if residency is None or ANYWHERE in residency:
        return regions[0] if len(regions) == 1 else None
    inside = [each for each in regions if catalog.regions.contains(residency, each) is True]
    return inside[0] if inside else regions[0]
