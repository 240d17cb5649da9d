"""The answer of `policy catalog list`, for people."""

from __future__ import annotations

from collections.abc import Iterator

from policy_engine.browsing.list_value import Shown
from policy_engine.browsing.listing import Row
from policy_engine.browsing.stated import marks, price_text
from policy_engine.catalog import Catalog
from policy_engine.catalog.cost import Plan
from policy_engine.cli.sections import Section
from policy_engine.wording import usd

_NONE = "-"
_UNKNOWN = "?"


def as_sections(shown: Shown) -> list[Section]:
    """Return what people read: the models, those of which it is not known, and how to read it."""
    found, sections = shown.found, []
    if found.found:
        sections.append(_table(shown, "Models", found.found))
    else:
        sections.append(Section(title="Models", lines=["none is known to meet this"]))
    if found.not_known and not shown.known_only:
        rows = [(row.model.key, "; ".join((*row.judged.reasons, *_end(row)))) for row in found.not_known]
        sections.append(Section(title="Not known whether they meet it", header=("=Model", "What is open"), rows=rows))
    return [*sections, Section(lines=list(_notes(shown)))]


def _table(shown: Shown, title: str, rows: tuple[Row, ...]) -> Section:
    titles = [f">{_title(shown.catalog, each)}" for each in shown.found.benchmarks]
    money = (">USD/month",) if shown.by_month else (">USD/M in", ">out")
    header = ("=Model", "Commercial use", ">Context", ">Billion", *titles, *money, "~Notes")
    return Section(title=title, header=header, rows=[_cells(shown, row) for row in rows])


def _title(catalog: Catalog, benchmark: str) -> str:
    return catalog.benchmarks[benchmark].title


def _cells(shown: Shown, row: Row) -> tuple[str, ...]:
    model = row.model
    context = _UNKNOWN if model.context_tokens is None else f"{model.context_tokens:,}"
    size = _UNKNOWN if model.params_b is None else f"{model.params_b:,g}"
    scores = [_UNKNOWN if score is None else f"{score.score:g}" for score in row.scores.values()]
    return (
        model.key,
        "closed" if model.weights == "closed" else shown.catalog.licence(model.key) or _UNKNOWN,
        context,
        _UNKNOWN if model.weights == "closed" else size,
        *scores,
        *_money(shown, row),
        "; ".join(_row_notes(shown, row)),
    )


def _money(shown: Shown, row: Row) -> tuple[str, ...]:
    if shown.by_month:
        return (_UNKNOWN if row.plan is None else _month(row.plan),)
    if row.price is None:
        return _UNKNOWN, _UNKNOWN
    return price_text(row.price.input_usd_per_million), price_text(row.price.output_usd_per_million)


def _month(plan: Plan) -> str:
    low, high = usd(plan.usd_low), usd(plan.usd_high)
    return f"{low if low == high else f'{low}-{high}'}{'+' if plan.at_least else ''}"


def _end(row: Row) -> Iterator[str]:
    if row.model.retires_on is not None:
        yield f"retired on {row.model.retires_on}" if row.retired else f"retires on {row.model.retires_on}"


def _row_notes(shown: Shown, row: Row) -> Iterator[str]:
    yield from _end(row)
    if row.judged.fits_at is not None:
        yield f"fits at {row.judged.fits_at}"
    if shown.by_month:
        for each in row.offers:
            if each.plan is not None:
                stated = f" ({marks(shown.catalog, each.plan.figure, shown.day)})" if each.plan.figure else ""
                yield f"{each.plan.what}{stated}"
    elif row.price is not None:
        at = f" at {row.price.provider}" if row.price.provider else ""
        yield f"{row.price.option}{at} ({marks(shown.catalog, row.price, shown.day)})"
    for name, score in row.scores.items():
        if score is not None:
            yield f"{_title(shown.catalog, name)} by {marks(shown.catalog, score, shown.day)}"


def _notes(shown: Shown) -> Iterator[str]:
    found, whole = shown.found, len(shown.catalog.models)
    unsure = f", of {len(found.not_known)} it is not known" if found.not_known else ""
    yield f"{len(found.found)} of {whole} models on {shown.day}{unsure}"
    if found.not_known and not shown.known_only:
        yield "a layer states what is open, in its folder catalog; -o json names each field, and why a model is out"
    if shown.cacheless and shown.filters.fitting:
        yield (
            f"whether the weights fit {shown.filters.fitting.text}: without --context the cache of requests is not"
            " counted, and it takes memory of its own"
        )
    if shown.by_month:
        yield "USD/month: one box for a month of hours, at least; ? is not known to the catalog"
    else:
        yield (
            "USD/M: US dollars per million tokens, of the cheapest option with a price by the token, three input tokens"
            " to one of output; ? is not known to the catalog"
        )
