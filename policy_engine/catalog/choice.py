"""Choose a model for an option: the cheapest that surely meets the needs, or the best where the best is asked for.

What depends on the needs' kinds alone is worked out once and remembered by the catalog; what a decision adds is prices
times tokens. Reasons are put into words when they are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from math import inf

from policy_engine.catalog.candidates import candidate as candidate_of
from policy_engine.catalog.candidates import day_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Route
from policy_engine.catalog.figures import in_force, preferred
from policy_engine.catalog.needs import Considered, Needs
from policy_engine.catalog.outcome import OptionModels
from policy_engine.catalog.qualify import Rated, rate
from policy_engine.catalog.slate import NOBODY, Asked, Pick, Slate, compared_disputes, cost_of, undominated
from policy_engine.catalog.wording import considered


def choose(catalog: Catalog, option: str, needs: Needs, at: date) -> OptionModels:
    """Return the models of `option` for `needs` on the day `at`, and the one to use.

    Available is True where a model surely meets the needs, False where none can, and None where that is not known.
    """
    return chosen_of(catalog, Asked(option, needs, at), lambda: _slate(catalog, option, needs, at))


def chosen_of(catalog: Catalog, asked: Asked, slate_for: Callable[[], Slate]) -> OptionModels:
    """Return the choice among the candidates of a slate, which is made where one is needed."""
    option, needs, at = asked
    if option == "edge" and needs.edge_wanted is False:
        return OptionModels(catalog, asked, available=False, missing=(), slate=NOBODY)
    slate = slate_for()
    missing = () if slate.sure else slate.missing
    available: bool | None = bool(slate.sure) or (None if slate.maybe else False)
    if option == "edge" and needs.edge_wanted is None and available is not False:
        available, missing = None, ("needs.edge", "task.latency_p95_ms", *missing)
    route = route_of(catalog, option, needs, at) if needs.routed else None
    return OptionModels(
        catalog,
        asked,
        available=available,
        missing=missing,
        slate=slate,
        pick=_pick(slate.sure or slate.nearest, needs, route.models if route else ()),
        route=route,
    )


def other_choices(catalog: Catalog, found: OptionModels) -> Iterator[tuple[str, str, OptionModels]]:
    """Yield the choice that `found` would be with the other side's figures, by dispute and side."""
    asked = found.asked
    for dispute in found.disputes:
        for side in catalog.other_sides(dispute, asked.at):
            other = catalog.with_figures(dispute, side)
            yield dispute, side, choose(other, asked.option, asked.needs, asked.at)


def qualify(catalog: Catalog, option: str, model: str, needs: Needs, at: date) -> Considered | None:
    """Return what the needs say of one model on `option`; None where the catalog does not know it."""
    found = catalog.model(model)
    if found is None:
        return None
    rated = rate(catalog, candidate_of(catalog, found, option, at), needs)
    return considered(
        catalog, rated, needs, cost_of(rated, needs.input_tokens_per_month, needs.output_tokens_per_month), ()
    )


def _slate(catalog: Catalog, option: str, needs: Needs, at: date) -> Slate:
    day = day_of(catalog, at)
    floors = needs.min_scores
    key = (
        option,
        at,
        needs.kind == "coding",
        needs.quality,
        needs.modalities,
        # Two contexts between the same windows meet and miss the same models.
        None if needs.context_tokens is None else bisect_left(day.contexts, needs.context_tokens),
        floors if floors is None else tuple(sorted(floors.items())) if floors else (),
        needs.commercial_use,
        needs.residency,
        needs.hardware if option in SELF_RUN else None,
        # With something served, the context is held in memory as well.
        needs.context_tokens if needs.hardware is not None and needs.hardware.serves is not None else None,
    )
    slate = catalog.remembered.get(key)
    if slate is None:
        rated = [rate(catalog, each, needs) for each in day.candidates[option]]
        slate = slate_of(rated, compared_disputes(rated, needs))
        catalog.remember(key, slate)
    found: Slate = slate
    return found


def slate_of(rated: Sequence[Rated], disputes: frozenset[str] = frozenset()) -> Slate:
    """Return rated candidates by what is known of them."""
    sure = tuple(each for each in rated if each.qualifies)
    maybe = tuple(each for each in rated if each.qualifies is None)
    gaps = [sum(name.startswith("catalog.") for name in _missing_of(each)) for each in maybe]
    nearest = tuple(each for each, gap in zip(maybe, gaps, strict=True) if gap == min(gaps))
    missing = tuple(dict.fromkeys(name for each in nearest for name in _missing_of(each)))
    return Slate(tuple(rated), sure, maybe, nearest, missing, disputes)


def _missing_of(rated: Rated) -> list[str]:
    return [name for reason in rated.reasons for name in reason.missing]


def route_of(catalog: Catalog, option: str, needs: Needs, at: date) -> Route | None:
    """Return the narrowest route that names models for such a task on `option`."""
    key = ("route", option, needs.kind, needs.complexity, at)
    known: Route | bool | None = catalog.remembered.get(key, False)
    if not isinstance(known, bool):
        return known
    routes = [each for each in catalog.routes.values() if _applies(each, option, needs) and in_force(each, at)]
    narrowest = max((_narrowness(each) for each in routes), default=0)
    found = preferred([each for each in routes if _narrowness(each) == narrowest], catalog.sides)
    catalog.remember(key, found)
    return found


def _narrowness(route: Route) -> int:
    """Return how much a route asks of a task: the more, the narrower it is."""
    return bool(route.kinds) + bool(route.complexities)


def _applies(route: Route, option: str, needs: Needs) -> bool:
    return (
        route.option == option
        and (not route.kinds or needs.kind in route.kinds)
        and (not route.complexities or needs.complexity in route.complexities)
    )


def _pick(rated: Sequence[Rated], needs: Needs, named: tuple[str, ...]) -> Pick | None:
    """Return the first by the order of the quality bar, with its cost."""
    into, out, benchmark = needs.input_tokens_per_month, needs.output_tokens_per_month, needs.score_benchmark
    if needs.tokens_per_month is None:
        rated = undominated(rated)
    best: tuple[float | bool | str, ...] | None = None
    pick: Pick | None = None
    for each in rated:
        cost = cost_of(each, into, out)
        usd = inf if cost is None else cost[0]
        score = -each.candidate.scores.get(benchmark, -inf)
        name = each.name
        order: tuple[float | bool | str, ...]
        if needs.quality == "best":
            order = (score, usd, name not in named, name)
        else:
            # where no price is known, size stands in for it: the smaller model is the cheaper one to serve
            size = each.candidate.model.params_b
            stand_in = 0.0 if cost is not None else (inf if size is None else size)
            order = (usd, stand_in, name not in named, score, name)
        if best is None or order < best:
            best, pick = order, Pick(each, cost)
    return pick
