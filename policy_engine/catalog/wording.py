"""Put into words why a model was not chosen, and why an option is not available."""

from __future__ import annotations

from collections import Counter
from typing import Any

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Entry, Route
from policy_engine.catalog.needs import Considered, Needs
from policy_engine.catalog.qualify import Rated
from policy_engine.catalog.slate import Pick, Slate, cost_of, figure_of, least_rates, scores_read


def row(rated: Rated, needs: Needs, cost: tuple[float, int] | None, extra: tuple[str, ...]) -> dict[str, Any]:
    """Return what a decision's document says of a model: a part of `considered`, made for every model every time."""
    quantization = rated.quantization
    if quantization is None and cost is not None and rated.plans:
        quantization = rated.plans[cost[1]].quantization
    return {
        "name": rated.candidate.model.key,
        "qualifies": rated.qualifies,
        "reasons": [*rated.said(needs), *extra],
        "monthly_usd": cost[0] if cost else None,
        "quantization": quantization,
    }


def considered(
    catalog: Catalog, rated: Rated, needs: Needs, cost: tuple[float, int] | None, extra: tuple[str, ...]
) -> Considered:
    """Put the verdict on a model into words; `extra` is why it lost although it qualifies."""
    candidate = rated.candidate
    index = cost[1] if cost else 0
    provider, quantization = None, rated.quantization
    if candidate.option in SELF_RUN:
        quantization = quantization or (rated.plans[index].quantization if cost else None)
    elif rated.offers:
        found = rated.offers[index].provider
        provider = found.key if found else None
    return Considered(
        name=rated.name,
        qualifies=rated.qualifies,
        reasons=(*rated.said(needs), *extra),
        missing=tuple(dict.fromkeys(name for reason in rated.reasons for name in reason.missing)),
        monthly_usd=cost[0] if cost else None,
        score=candidate.scores.get(needs.score_benchmark),
        provider=provider,
        quantization=quantization,
        disputes=_disputes(catalog, rated, needs, figure_of(rated, cost)),
    )


def lost(catalog: Catalog, rated: Rated, first: Pick, needs: Needs, route: Route | None) -> str:
    """Say what the model that came first has over `rated`, which meets the needs too."""
    winner, benchmark = first.rated, needs.score_benchmark
    cost = cost_of(rated, needs.input_tokens_per_month, needs.output_tokens_per_month)
    title = catalog.benchmarks[benchmark].title if benchmark in catalog.benchmarks else benchmark
    mine, its = (each.candidate.scores.get(benchmark) for each in (rated, winner))
    lower = its is not None and (mine is None or mine < its)
    by_score = f"no {title} score"
    if mine is not None and its is not None:
        by_score = f"{title} {mine:g} is below the {its:g} of {winner.name}"
    if needs.quality == "best" and lower:
        return by_score
    size, its_size = rated.candidate.model.params_b, winner.candidate.model.params_b
    if first.cost is None and needs.quality != "best" and size != its_size and its_size is not None:
        mine_text = f"has {size:g} billion parameters" if size is not None else "is of unknown size"
        return f"no cost is known of either; it {mine_text}, {winner.name} has {its_size:g} billion"
    if first.cost is not None and cost is None:
        return f"no cost is known; {winner.name} costs {first.cost[0]:,.2f} USD/month"
    if first.cost is not None and cost is not None and cost[0] > first.cost[0]:
        return f"dearer than {winner.name} by {cost[0] - first.cost[0]:,.2f} USD/month"
    if needs.tokens_per_month is None and least_rates(rated) != least_rates(winner):
        return f"the volume is not known; {winner.name} comes first by price or score"
    if route is not None and winner.name in route.models and rated.name not in route.models:
        return f"{winner.name} is what the router names, and costs no more"
    return f"{by_score}, which costs no more" if lower else f"{winner.name} comes first by name"


def why_not(slate: Slate, needs: Needs, available: bool | None) -> tuple[str, ...]:
    """Count the first reason of each model, the most frequent first."""
    texts = Counter(reason.said(needs) for each in slate.all for reason in each.reasons[:1])
    number = len(slate.all)
    if available is None:
        head = f"of {number} models none is known to meet the needs"
    else:
        head = f"none of {number} models meets the needs"
    order = sorted(texts.items(), key=lambda item: (-item[1], item[0]))
    return (head, *(f"{text} ({count})" for text, count in order))


def _disputes(catalog: Catalog, rated: Rated, needs: Needs, figure: Entry | None) -> tuple[str, ...]:
    """Return the disputes that the model, its price and the scores that were read rest on."""
    model = rated.candidate.model
    found = [*model.disputes, *(figure.disputes if figure else ())]
    if model.licence and rated.candidate.option in SELF_RUN:
        found += catalog.licences[model.licence].disputes
    for name in scores_read(needs):
        score = rated.candidate.score_figures.get(name)
        found += score.disputes if score else ()
    return tuple(dict.fromkeys(found))
