"""The answer of `policy catalog show` as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policy_engine.browsing.section import Section
from policy_engine.browsing.sheet import Sheet
from policy_engine.browsing.standings import is_old
from policy_engine.browsing.stated import marks, price_text
from policy_engine.browsing.words import (
    example_words,
    hosting_words,
    memory_words,
    month_words,
    ownership_words,
    price_words,
    speed_words,
    standing_text,
)
from policy_engine.catalog.entries import Entry

GB = 1e9
_UNKNOWN = "not known to the catalog"
_COMMERCIAL = {
    "allowed": "allowed",
    "review": "after a review of its terms",
    "forbidden": "forbidden",
    "proprietary": "by a contract with its vendor",
    None: _UNKNOWN,
}


def as_sections(sheet: Sheet) -> list[Section]:
    """Return what people read: the model, its options and prices, benchmarks, hardware, disputes."""
    sections = [
        Section(title=sheet.model.key, pairs=list(_head(sheet))),
        Section(title=f"Options on {sheet.day}", pairs=list(_options(sheet))),
        _prices(sheet),
        _scores(sheet),
        _memory(sheet),
        Section(title="Hardware, as sources state it", lines=list(_hardware(sheet))),
        Section(title="Speed, as sources report it", lines=list(_speeds(sheet))),
        Section(title="Named by routers", lines=list(_routes(sheet))),
        Section(title="Disputes", lines=list(_disputes(sheet))),
    ]
    return [each for each in sections if each.pairs or each.lines or each.rows] + [Section(lines=list(_notes(sheet)))]


def _head(sheet: Sheet) -> Iterator[tuple[str, str]]:
    model = sheet.model
    yield "weights", f"{model.weights}, {marks(sheet.catalog, model, sheet.day)}"
    if model.aliases:
        yield "also called", ", ".join(model.aliases)
    if model.vendor:
        yield "vendor", model.vendor
    if model.weights == "open":
        yield "licence", _stated(sheet, "licence", model.licence)
    yield "commercial use", _commercial(sheet)
    modalities = None if model.modalities is None else ", ".join(sorted(model.modalities))
    yield "modalities", _stated(sheet, "modalities", modalities)
    context = None if model.context_tokens is None else f"{model.context_tokens:,} tokens"
    yield "context", _stated(sheet, "context_tokens", context)
    if model.weights == "open":
        yield from _size(sheet)
    retires = None if model.retires_on is None else model.retires_on.isoformat()
    if retires is not None:
        yield "retired on" if sheet.retired else "retires on", _stated(sheet, "retires_on", retires)
    if model.criteria:
        yield "criteria", ", ".join(model.criteria)
    if model.note:
        yield "note", model.note


def _size(sheet: Sheet) -> Iterator[tuple[str, str]]:
    model = sheet.model
    yield "parameters", _stated(sheet, "params_b", None if model.params_b is None else f"{model.params_b:,g} billion")
    if model.active_b is not None:
        yield "of one token", _stated(sheet, "active_b", f"{model.active_b:,g} billion parameters")
    most = "at most " if model.kv_upper_bound else ""
    cache = None if model.kv_bytes_per_token is None else f"{most}{model.kv_bytes_per_token:,.0f} bytes a token, 16-bit"
    yield "cache", _stated(sheet, "kv_bytes_per_token", cache)
    if model.architecture:
        yield "architecture", ", ".join(f"{name} {value}" for name, value in model.architecture.items())


def _stated(sheet: Sheet, field: str, text: str | None) -> str:
    """Write a field of the model with the source that states it."""
    if text is None:
        return _UNKNOWN
    source, day = sheet.model.sources.get(field, (sheet.model.source, sheet.model.as_of))
    old = ", stale" if is_old(sheet.catalog, day, sheet.day) else ""
    return f"{text} ({source}, {day}{old})"


def _commercial(sheet: Sheet) -> str:
    said = _COMMERCIAL[sheet.catalog.licence(sheet.model.key)]
    licence = sheet.licence
    if licence is None:
        return said
    terms = f": {licence.terms}" if licence.terms else ""
    return f"{said}{terms} ({marks(sheet.catalog, licence, sheet.day)}){_more(licence)}"


def _options(sheet: Sheet) -> Iterator[tuple[str, str]]:
    for each in sheet.offerings:
        found = each.offered
        said = "" if found.meant else "whether it can run there is not known; "
        if found.price is not None:
            said += (
                f"{price_words(found.price)}, USD per million tokens"
                if not found.price.blended
                else price_words(found.price)
            )
        elif found.plan is not None:
            said += f"{month_words(found.plan)}: {found.plan.what}"
        else:
            said += "its cost is not known to the catalog"
        yield found.option, f"{said}; served by {', '.join(each.providers)}" if each.providers else said


def _prices(sheet: Sheet) -> Section:
    rows = []
    for (option, _), found in sheet.prices.items():
        for each in found:
            price = each.figure
            rows.append(
                (
                    f"{option}{f' at {price.provider}' if price.provider else ''}",
                    price_text(price.input_usd_per_million),
                    price_text(price.output_usd_per_million),
                    price.starts.isoformat(),
                    f"{standing_text(each)} ({price.key}: {marks(sheet.catalog, price, sheet.day)})" + _more(price),
                )
            )
    header = ("=Option", ">USD/M in", ">out", "=From", "~Standing")
    return Section(title="Prices, and their history", header=header, rows=rows)


def _more(figure: Entry) -> str:
    criteria = f"; {', '.join(figure.criteria)}" if figure.criteria else ""
    return f"{criteria}; {figure.note}" if figure.note else criteria


def _scores(sheet: Sheet) -> Section:
    rows = []
    for name, found in sheet.scores.items():
        benchmark = sheet.catalog.benchmarks[name]
        for each in found:
            said = f"{standing_text(each)} ({marks(sheet.catalog, each.figure, sheet.day)}){_more(each.figure)}"
            rows.append((benchmark.title, f"{each.figure.score:g}", benchmark.unit, said))
    return Section(title="Benchmarks", header=("=Benchmark", ">Score", "=Unit", "Standing"), rows=rows)


def _memory(sheet: Sheet) -> Section:
    rows = []
    for each in sheet.memory:
        if each.weights is not None or each.cache_of_token is not None:
            weights = "?" if each.weights is None else f"{each.weights / GB:,.1f}"
            cache = "?" if each.cache_of_token is None else f"{each.cache_of_token * 1000 / GB:,.3f}"
            rows.append((each.quantization, weights, cache))
    bound = ", at most" if sheet.model.kv_upper_bound else ""
    header = ("=Weights at", ">Weights GB", f">Cache GB for 1,000 tokens{bound}")
    return Section(title="Memory, by arithmetic", header=header, rows=rows)


def _hardware(sheet: Sheet) -> Iterator[str]:
    for each in sheet.hosting:
        said = f"{hosting_words(each.figure)} ({marks(sheet.catalog, each.figure, sheet.day)})"
        yield f"{said}; {standing_text(each)}{_more(each.figure)}"
    catalog = sheet.catalog
    for one in sheet.of(catalog.ownership_costs):
        yield _line(sheet, ownership_words(one), one)
    for asked in sheet.of(catalog.memory_requirements):
        yield _line(sheet, f"{memory_words(asked)}", asked)
    for example in sheet.of(catalog.cost_examples):
        yield _line(sheet, example_words(example), example)


def _speeds(sheet: Sheet) -> Iterable[str]:
    return (_line(sheet, speed_words(each), each) for each in sheet.of(sheet.catalog.speeds))


def _line(sheet: Sheet, said: str, figure: Entry) -> str:
    return f"{said} ({marks(sheet.catalog, figure, sheet.day)}){_more(figure)}"


def _routes(sheet: Sheet) -> Iterator[str]:
    for each in sheet.catalog.routes.values():
        if sheet.model.key in each.models:
            kinds = ", ".join(each.kinds) or "every kind"
            complexities = f", {', '.join(each.complexities)}" if each.complexities else ""
            yield _line(sheet, f"{kinds}{complexities}: on {each.option}", each)


def _disputes(sheet: Sheet) -> Iterator[str]:
    for name in sheet.disputes:
        found = sheet.catalog.disputes.get(name)
        yield f"{name}: {found.about if found else 'not in the register'}; `policy catalog disputes {name}`"


def _notes(sheet: Sheet) -> Iterator[str]:
    yield f"as of {sheet.day}; stale is what is older than {sheet.catalog.rules.catalog_stale_days:,g} days"
    if sheet.model.weights == "open" and sheet.model.params_b is not None:
        yield f"what hardware it needs, and how fast it can be: `policy catalog size {sheet.model.key}`"
