"""Put into words why a model was not chosen, and why an option is not available."""

from __future__ import annotations

from collections import Counter

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Entry, Route
from policy_engine.catalog.needs import Considered, Needs
from policy_engine.catalog.qualify import Rated, context_text
from policy_engine.catalog.slate import Pick, Slate, figure_of, least_rates, scores_read


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
        reasons=(*rated.said(context_text(needs)), *extra),
        missing=tuple(dict.fromkeys(name for reason in rated.reasons for name in reason.missing)),
        monthly_usd=cost[0] if cost else None,
        score=candidate.scores.get(needs.score_benchmark),
        provider=provider,
        quantization=quantization,
        disputes=_disputes(catalog, rated, needs, figure_of(rated, cost)),
    )


def lost(catalog: Catalog, second: Pick, first: Pick, needs: Needs, route: Route | None) -> str:
    """Say what the model that came first has over `second`, which meets the needs too."""
    (rated, cost), winner, benchmark = second, first.rated, needs.score_benchmark
    mine, its = rated.candidate.scores.get(benchmark), winner.candidate.scores.get(benchmark)
    lower = its is not None and (mine is None or mine < its)
    if needs.quality == "best" and lower:
        return _by_score(catalog, benchmark, mine, its, winner)
    if first.cost is not None and cost is not None and cost[0] > first.cost[0]:
        return f"dearer than {winner.name} by {cost[0] - first.cost[0]:,.2f} USD/month"
    size, its_size = rated.candidate.model.params_b, winner.candidate.model.params_b
    if first.cost is None and needs.quality != "best" and size != its_size and its_size is not None:
        mine_text = f"has {size:g} billion parameters" if size is not None else "is of unknown size"
        return f"no cost is known of either; it {mine_text}, {winner.name} has {its_size:g} billion"
    if first.cost is not None and cost is None:
        return f"no cost is known; {winner.name} costs {first.cost[0]:,.2f} USD/month"
    if needs.tokens_per_month is None and least_rates(rated) != least_rates(winner):
        return f"the volume is not known; {winner.name} comes first by price or score"
    if route is not None and winner.name in route.models and rated.name not in route.models:
        return f"{winner.name} is what the router names, and costs no more"
    if lower:
        return f"{_by_score(catalog, benchmark, mine, its, winner)}, which costs no more"
    return f"{winner.name} comes first by name"


def _by_score(catalog: Catalog, benchmark: str, mine: float | None, its: float | None, winner: Rated) -> str:
    title = catalog.benchmarks[benchmark].title if benchmark in catalog.benchmarks else benchmark
    if mine is None or its is None:
        return f"no {title} score"
    return f"{title} {mine:g} is below the {its:g} of {winner.name}"


def why_not(slate: Slate, needs: Needs, available: bool | None) -> tuple[str, ...]:
    """Count the first reason of each model, the most frequent first."""
    context = context_text(needs)
    texts = Counter(reason.said(context) for each in slate.all for reason in each.reasons[:1])
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
