"""Open candidates for a workhorse task, by the engine's own qualification and the catalog's figures (MIGRATE-02)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from msgspec import Struct

from policy_engine.catalog.candidates import candidate
from policy_engine.catalog.entries import Price, Score
from policy_engine.catalog.needs import Considered
from policy_engine.catalog.sizing import GIB, weight_bytes
from policy_engine.migrating.case import Case, TaskView
from policy_engine.model.vocabulary import OPEN_OPTIONS, THIRD_PARTY
from policy_engine.summary import ranked_options

_DEFAULT_PRECISION = "bf16"
_JUDGED = "judged by the decision"


class Candidate(Struct, frozen=True):
    """An open model that could take over a task; None is unknown. `sure` None where a need or figure is not known.

    `benchmark` is the one that the quality bar of the task reads, in `unit`; `scores` are all that the catalog has.
    `weights_gib` is the memory of the weights alone, at `quantization`; `at_least` says that the cost is a floor.
    """

    model: str
    option: str
    sure: bool | None
    why: str
    provider: str | None
    licence: str | None
    licence_says: str | None
    benchmark: str
    unit: str | None
    score: Score | None
    scores: tuple[Score, ...]
    price: Price | None
    monthly_usd: float | None
    at_least: bool
    quantization: str
    weights_gib: float | None
    missing: tuple[str, ...]


class Shortlist(Struct, frozen=True):
    """The candidates of one task, the one to be judged first; of `sure` ones there were that many in all."""

    candidates: tuple[Candidate, ...]
    sure: int
    doubtful: int


def wants_shortlist(task: TaskView) -> bool:
    """Whether candidates are looked for: for workhorse work, and for what is of no class and moves to an open model."""
    kind = task.facts.get("task.class")
    return kind == "workhorse" or (kind == "unclassified" and bool(task.moves_to_open))


def shortlist_of(case: Case, task: TaskView, today_usd: float | None) -> Shortlist:
    """Return at most `param.shortlist_max` candidates: those that surely qualify before those that may."""
    options = _options(task)
    sure, doubtful = _qualified(case, task, options)
    most = int(case.parameters["shortlist_max"])
    judged = [(each, option, _JUDGED) for each, option in doubtful if each.name == task.model]
    rest = [(each, option, "may qualify") for each, option in doubtful if each.name != task.model]
    chosen = [*judged, *_ordered(task, sure, today_usd), *rest][:most]
    found = tuple(_candidate(case, task, each, option, why) for each, option, why in chosen)
    return Shortlist(found, len(sure), len(doubtful))


def _options(task: TaskView) -> list[str]:
    """Return the open options that the task may be moved to: the judged one, then as the decision ranks them."""
    rows = [row for row in ranked_options(task.document) if row["status"] in ("permitted", "uncertain")]
    ranked = [row["deployment"] for row in rows if row["deployment"] in OPEN_OPTIONS]
    return sorted(ranked, key=lambda option: option != task.option)


Found = list[tuple[Considered, str]]


def _qualified(case: Case, task: TaskView, options: Sequence[str]) -> tuple[Found, Found]:
    """Return the models that surely qualify, and those that may, each on the first option that it does so on."""
    sure: dict[str, tuple[Considered, str]] = {}
    doubtful: dict[str, tuple[Considered, str]] = {}
    named = task.document["recommendation"]
    if named is not None and named["deployment"] in options and named["model"] not in (None, task.model):
        found = task.result.models[named["deployment"]].of(named["model"])
        if found is not None and found.qualifies:
            sure[found.name] = found, named["deployment"]
    for option in options:
        for each in task.result.models[option].considered:
            model = case.catalog.model(each.name)
            if each.qualifies is False or model is None or model.weights != "open":
                continue
            (sure if each.qualifies else doubtful).setdefault(each.name, (each, option))
    return list(sure.values()), [pair for name, pair in doubtful.items() if name not in sure]


def _ordered(task: TaskView, sure: Found, today_usd: float | None) -> list[tuple[Considered, str, str]]:
    """Order candidates: what is judged, the engine's choice, then by score, those that cost less than today first."""
    chosen = {option: models.chosen.name for option, models in task.result.models.items() if models.chosen is not None}
    named = task.document["recommendation"] or {}

    def cost(each: Considered) -> float:
        return inf if each.monthly_usd is None else each.monthly_usd

    def order(pair: tuple[Considered, str]) -> tuple[Any, ...]:
        each, option = pair
        dearer = today_usd is not None and cost(each) >= today_usd
        score = -inf if each.score is None else each.score
        recommended = (each.name, option) == (named.get("model"), named.get("deployment"))
        return (
            each.name != task.model,
            not recommended,
            chosen.get(option) != each.name,
            dearer,
            -score,
            cost(each),
            each.name,
        )

    found = []
    for each, option in sorted(sure, key=order):
        if each.name == task.model:
            why = _JUDGED
        elif (each.name, option) == (named.get("model"), named.get("deployment")):
            why = "recommended by the decision"
        elif chosen.get(option) == each.name:
            why = "the engine's choice there"
        else:
            why = "next by score" if each.score is not None else "qualifies; its score is not known"
        found.append((each, option, why))
    return found


def _candidate(case: Case, task: TaskView, each: Considered, option: str, why: str) -> Candidate:
    catalog, needs = case.catalog, task.result.models[option].asked.needs
    model = catalog.models[each.name]
    figures = candidate(catalog, model, option, case.day)
    benchmark = needs.score_benchmark
    named = catalog.benchmarks.get(benchmark)
    quantization = each.quantization or _DEFAULT_PRECISION
    weights = weight_bytes(model, quantization)
    return Candidate(
        each.name,
        option,
        each.qualifies,
        why,
        each.provider,
        model.licence,
        catalog.licence(each.name),
        benchmark,
        named.unit if named is not None else None,
        figures.score_figures.get(benchmark),
        tuple(figures.score_figures.values()),
        next(_prices(figures.offers, each.provider), None) if option in THIRD_PARTY else None,
        each.monthly_usd,
        task.result.models[option].naming(each.name).at_least,
        quantization,
        weights / GIB if weights is not None else None,
        each.missing,
    )


def _prices(offers: Sequence[Any], provider: str | None) -> Iterator[Price]:
    yield from (
        offer.price
        for offer in offers
        if offer.price is not None and (offer.provider.key if offer.provider is not None else None) == provider
    )
