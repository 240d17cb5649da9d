"""The open field against the closed one: the best that sources report of each, and the best models of the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from policy_engine.browsing.comparison import Cell, Line, Other, ranked, stated
from policy_engine.browsing.standings import standings
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry, Score, Speed

KINDS = ("open", "closed")
LEADERS, LATENCY, BEST = "Real tasks, the best of each field", "Latency", "The best models named"


def gap(line: Line) -> float | None:
    """Return how much more the closed field has than the open one, in the line's unit; None where one is not known."""
    open_, closed = (cell.value for cell in line.cells)
    return None if open_ is None or closed is None else closed - open_


def field_lines(catalog: Catalog, at: date) -> tuple[Line, ...]:
    """Return a line for each benchmark of which both fields are known, and for the fastest reasoning of each."""
    found = (*_leaders(catalog, at), *_latency(catalog, at), *_best(catalog, at))
    return tuple(ranked(line, KINDS) for line in found)


def _leaders(catalog: Catalog, at: date) -> Iterator[Line]:
    for name, benchmark in catalog.benchmarks.items():
        own = [each for each in catalog.benchmark_leaders.values() if each.benchmark == name]
        if own:
            cells = []
            for kind in KINDS:
                found = standings([each for each in own if each.weights == kind], at, catalog.sides)
                counting = [each.figure for each in found if each.state in ("counts", "superseded")]
                cells.append(_cell(catalog, at, [(each.score, each) for each in counting], "no model is named"))
            yield Line(LEADERS, benchmark.title, name, benchmark.unit, "more", tuple(cells))


def _latency(catalog: Catalog, at: date) -> Iterator[Line]:
    measure = "reasoning_answer_seconds"
    cells = []
    for kind in KINDS:
        own: dict[str, list[Speed]] = {}
        for each in catalog.speeds.values():
            model = catalog.model(each.model)
            if each.measure == measure and model is not None and model.weights == kind:
                own.setdefault(model.key, []).append(each)
        counting = [first for each in own.values() if (first := _counting(each, catalog, at)) is not None]
        ordered = sorted(counting, key=lambda each: (each.value, each.key))
        fastest = ordered[:1]
        name = str(fastest[0].model) if fastest else ""
        cells.append(_cell(catalog, at, [(each.value, each) for each in fastest], name))
    if any(cell.state == "known" for cell in cells):
        yield Line(LATENCY, "fastest answer of reasoning", measure, "seconds", "less", tuple(cells))


def _counting(own: list[Speed], catalog: Catalog, at: date) -> Speed | None:
    return next((each.figure for each in standings(own, at, catalog.sides) if each.counts), None)


def _best(catalog: Catalog, at: date) -> Iterator[Line]:
    """Yield the best model of each kind in a benchmark, of those that are in service and have a score there."""
    for name, benchmark in catalog.benchmarks.items():
        cells = tuple(_best_of(catalog, at, name, kind) for kind in KINDS)
        if all(cell.state == "known" for cell in cells):
            yield Line(BEST, benchmark.title, name, benchmark.unit, "more", cells)


def _best_of(catalog: Catalog, at: date, benchmark: str, kind: str) -> Cell:
    found: list[Score] = []
    for model in catalog.models.values():
        score = catalog.score(model.key, benchmark)
        retired = model.retires_on is not None and model.retires_on <= at
        if model.weights == kind and score is not None and not retired:
            found.append(score)
    first = max(found, key=lambda each: each.score, default=None)
    if first is None:
        return Cell("unknown")
    level = [each.model for each in found if each.score == first.score]
    own = [each for each in catalog.scores.values() if (each.model, each.benchmark) == (first.model, benchmark)]
    rest = sorted((each for each in own if each.score != first.score), key=lambda each: each.key)
    figures = [(each.score, each) for each in (first, *rest)]
    return _cell(catalog, at, figures, " and ".join(level))


def _cell(catalog: Catalog, at: date, figures: Sequence[tuple[float, Entry]], text: str) -> Cell:
    """Return a cell of the first of `figures`, with what the others say otherwise."""
    if not figures:
        return Cell("unknown")
    value, figure = figures[0]
    others = tuple(Other(other, stated(catalog, at, each)) for other, each in figures[1:] if other != value)
    return Cell("known", value, text, stated(catalog, at, figure), others)
