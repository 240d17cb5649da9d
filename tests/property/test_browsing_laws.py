"""Laws of what people ask the catalog, for any day, any filter and any figures."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.browsing.comparison import Cell, Line, Other, Stated, ranked
from policy_engine.browsing.filters import Filters, Fitting, judge
from policy_engine.browsing.listing import SORTS, listing
from policy_engine.browsing.sheet import Sheet
from policy_engine.browsing.standings import standings
from policy_engine.catalog import Catalog, build_catalog
from policy_engine.catalog.candidates import day_of
from policy_engine.catalog.entries import Price
from policy_engine.catalog.figures import in_force
from policy_engine.catalog.needed import Load
from policy_engine.catalog.sizing import QUANTIZATIONS
from policy_engine.loading.policy import load_policy

DAYS = st.dates(date(2024, 6, 1), date(2027, 6, 1))
AMOUNTS = st.sampled_from([0.0, 1.0, 2.0, 3.0])
APIS = ("proprietary_api", "open_api", "open_batch")
SOLD = [
    ("gpt-4o", "proprietary_api", [None, "openai", "azure", "idle"]),
    ("llama-3-8b", "open_api", [None, "groq", "idle"]),
]
MANY = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_policy().catalog


@st.composite
def prices(draw: Any) -> list[Price]:
    """Figures of one thing by several sources, layers and days."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        start = date(2025, 1, 1) + timedelta(days=draw(st.integers(0, 5)))
        end = draw(st.none() | st.just(start + timedelta(days=draw(st.integers(0, 4)))))
        usd = draw(AMOUNTS)
        figure = Price(
            key=f"f{number}",
            source=draw(st.sampled_from(["s0", "s1"])),
            as_of=start,
            rank=draw(st.integers(0, 1)),
            valid_to=end,
            model="m",
            option="open_api",
            provider=None,
            input_usd_per_million=usd,
            output_usd_per_million=usd,
            blended=True,
        )
        found.append(figure)
    return found


@given(prices(), st.integers(0, 10), st.randoms(use_true_random=False))
@MANY
def test_one_figure_counts_where_any_is_in_force_whatever_the_order(
    figures: list[Price], days: int, order: Any
) -> None:
    at = date(2025, 1, 1) + timedelta(days=days)
    found = standings(figures, at)
    shuffled = [*figures]
    order.shuffle(shuffled)
    assert standings(shuffled, at) == found
    assert sorted(each.figure.key for each in found) == sorted(each.key for each in figures)
    counting = [each.figure for each in found if each.counts]
    alive = [each for each in figures if each.as_of <= at and (each.valid_to is None or at <= each.valid_to)]
    assert len(counting) == min(1, len(alive))
    for each in found:
        assert (each.state in ("counts", "superseded")) is (each.figure in alive)
        assert (each.state == "not_yet") is (each.figure.as_of > at)
    for first in counting:
        # by the contract: a later layer, then the newest, then the dearest, then the key
        assert all(
            (first.rank, first.as_of, first.input_usd_per_million, first.key)
            >= (each.rank, each.as_of, each.input_usd_per_million, each.key)
            for each in alive
        )


def check_what_counts(catalog: Catalog, sheet: Sheet) -> None:
    """What is shown to count is what a decision takes of each provider that serves the model, and nothing else."""
    taken: set[tuple[str, str]] = set()
    for option in APIS:
        for each in day_of(catalog, sheet.day).candidates[option]:
            if each.model.key == sheet.model.key:
                taken |= {(option, offer.price.key) for offer in each.offers if offer.price is not None}
    standing = [(option, each) for (option, _), found in sheet.prices.items() for each in found]
    assert {(option, each.figure.key) for option, each in standing if each.counts} == taken
    assert len(standing) == len(catalog.price_history(sheet.model.key))
    for found in sheet.prices.values():
        assert sum(each.counts for each in found) <= 1
    assert all(each.figure.starts <= sheet.day for _, each in standing if each.counts)


@st.composite
def sold(draw: Any) -> dict[str, Any]:
    """Prices of a closed and an open model, by vendor, nobody, and hosts of which one serves while it has a price."""
    found = {}
    for number in range(draw(st.integers(0, 8))):
        model, option, sellers = draw(st.sampled_from(SOLD))
        region = draw(st.sampled_from([None, "eu", "us"]))
        end = draw(st.sampled_from([None, "2026-01-05", "2026-02-01"]))
        found[f"f{number}"] = {
            "model": model,
            "option": option,
            "unit": "USD/1M tokens",
            "input": draw(AMOUNTS),
            "output": draw(AMOUNTS),
            "source": "us",
            "as_of": f"2026-01-0{draw(st.integers(1, 5))}",
            **({"valid_to": end} if end else {}),
            **({"provider": seller} if (seller := draw(st.sampled_from(sellers))) else {}),
            **({"region": region} if region and seller else {}),
        }
    return found


@given(sold(), st.booleans(), st.sampled_from([date(2025, 12, 31), date(2026, 1, 3), date(2026, 3, 1)]))
@settings(max_examples=12, deadline=None)
def test_what_counts_is_what_is_taken_whoever_sells(found: dict[str, Any], alone: bool, at: date) -> None:
    stated = {"source": "us", "as_of": "2026-01-01"}
    hosts = {
        "groq": {"options": ["open_api"], "serves": ["llama-3-8b"], "while_priced": True, **stated},
        "azure": {"options": ["proprietary_api"], "serves": ["gpt-4o"], **stated},
        "idle": {"options": ["open_api", "proprietary_api"], "serves": [], **stated},
    }
    general = {"open-model-hosting": {"disabled": True}} if alone else {}
    documents = (
        *load_policy().catalog_documents,
        ("own", {"own.yaml": {"prices": found, "providers": {**hosts, **general}}}),
    )
    catalog = build_catalog(documents, load_policy().rules.values)
    for name in ("gpt-4o", "llama-3-8b"):
        check_what_counts(catalog, Sheet(catalog, catalog.models[name], at))


@given(DAYS)
@MANY
def test_the_price_that_is_shown_to_count_is_the_one_that_decisions_take(catalog: Catalog, at: date) -> None:
    for model in catalog.models.values():
        sheet = Sheet(catalog, model, at)
        check_what_counts(catalog, sheet)
        for benchmark, scores in sheet.scores.items():
            assert next(each.figure for each in scores if each.counts) is catalog.score(model.key, benchmark)
        hosting = next((each.figure for each in sheet.hosting if each.counts), None)
        assert hosting is catalog.hosting(model.key, at)
        assert all(each.counts is False or in_force(each.figure, at) for each in sheet.hosting)


FILTERS = st.builds(
    Filters,
    weights=st.none() | st.sampled_from(["open", "closed"]),
    open_licence=st.booleans(),
    commercial=st.sets(st.sampled_from(["allowed", "review", "forbidden", "proprietary"])).map(tuple),
    modalities=st.sets(st.sampled_from(["text", "vision", "audio", "tool_use"])).map(tuple),
    context_tokens=st.none() | st.integers(1, 300_000),
    min_scores=st.dictionaries(st.sampled_from(["mmlu", "humaneval", "arena_hard"]), st.floats(0, 100), max_size=2),
    option=st.none() | st.sampled_from(["proprietary_api", "open_api", "open_batch", "self_hosted", "edge"]),
)


@given(FILTERS, st.integers(1, 16), st.integers(0, 100_000), st.booleans(), DAYS, st.sampled_from(SORTS))
@MANY
def test_every_model_has_one_answer_and_a_further_filter_only_takes_away(
    catalog: Catalog, filters: Filters, count: int, context: int, sized: bool, at: date, sort: str
) -> None:
    fitting = Fitting(catalog.gpus["NVIDIA A100-SXM4-80GB"], count, QUANTIZATIONS, Load(context)) if sized else None
    names = [each for each in filters.__struct_fields__ if each != "fitting"]
    asked = Filters(fitting=fitting, **{name: getattr(filters, name) for name in names})
    found = listing(catalog, asked, sort, at)
    answers = [row.model.key for row in (*found.found, *found.not_known)] + [each.model.key for each in found.ruled_out]
    assert sorted(answers) == sorted(catalog.models)
    free = listing(catalog, Filters(), sort, at)
    order = [row.model.key for row in free.found]
    assert len(order) == len(catalog.models)
    for rows in (found.found, found.not_known):
        if asked.option is None:
            assert [row.model.key for row in rows] == [key for key in order if key in {row.model.key for row in rows}]
    for row in found.not_known:
        assert row.judged.missing
    for model in catalog.models.values():
        whole = judge(catalog, model, asked, at).meets
        parts = [
            judge(catalog, model, Filters(**{name: getattr(asked, name)}), at).meets for name in (*names, "fitting")
        ]
        # all of them hold, one surely does not, or it is not known: three-valued "and"
        assert whole is (False if False in parts else (None if None in parts else True))


CELLS = st.lists(st.none() | AMOUNTS, min_size=1, max_size=4)
SAID = Stated("s9", date(2025, 1, 1), False, ("DISPUTE-1",))


@given(CELLS, st.sampled_from(["more", "less"]), st.none() | AMOUNTS)
@MANY
def test_a_best_is_of_known_figures_alone(values: list[float | None], better: Any, other: float | None) -> None:
    names = [f"m{number}" for number in range(len(values))]
    others = () if other is None else (Other(other, SAID),)
    cells = [
        Cell("unknown") if value is None else Cell("known", value, others=others if place == 0 else ())
        for place, value in enumerate(values)
    ]
    line = ranked(Line("g", "n", "k", "u", better, tuple(cells)), names)
    known = [value for value in values if value is not None]
    if len(known) < len(values) or len({*known}) == 1:
        assert line.best == ()
        return
    most = max(known) if better == "more" else min(known)
    assert {*line.best} == {place for place, value in enumerate(values) if value == most}
    if other is not None:
        changed = [other, *known[1:]]
        top = max(changed) if better == "more" else min(changed)
        first = {place for place, value in enumerate(changed) if value == top}
        assert bool(line.note) is ((first if len({*changed}) > 1 else set()) != {*line.best})
