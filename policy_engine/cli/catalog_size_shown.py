"""The answer of `policy catalog size` as people read it: the model, its memory, then devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.catalog.needed import Fit, Rates, Rent
from policy_engine.cli.catalog_size_words import amount, bound_text, gib, gpus_text, rent_text, row_notes
from policy_engine.cli.catalog_sized import Asked, Row
from policy_engine.cli.sections import Section

GB = 1e9
_NONE = "-"
_SPEEDS = ("Decode", "Reached", "Prefill")
_ALL = " (of each request; of all)"


def as_sections(asked: Asked) -> list[Section]:
    """Return what people read: the model, its memory, then devices."""
    sections = [_head(asked)]
    if any(each.weights is not None or each.cache is not None for each in asked.held):
        sections.append(_memory(asked))
    if asked.model.parameters is None:
        return [*sections, Section(title="To note", lines=asked.notes)]
    if asked.named:
        sections += [_detail(asked, row) for row in asked.rows]
    else:
        if len(asked.quantizations) > 1:
            sections.append(_matrix(asked))
        sections.append(_table(asked, asked.quantizations[0]))
    return [*sections, Section(title="To note", lines=[*_legend(asked), *asked.notes])]


def _head(asked: Asked) -> Section:
    model, load = asked.model, asked.load
    size = "not known" if model.params_b is None else f"{model.params_b:,g} billion"
    if model.active_b is not None:
        size += f", of which a token reads {model.active_b:,g} billion"
    window = "" if model.context_tokens is None else f", of {model.context_tokens:,} at most"
    context = "not said" if load.context_tokens is None else f"{load.context_tokens:,} tokens{window}"
    pairs = [("parameters", size), ("each request", context), ("at once", f"{load.concurrency:,}")]
    return Section(title=model.key, pairs=pairs)


def _memory(asked: Asked) -> Section:
    rows = []
    for each in asked.held:
        together = _NONE if each.weights is None else gib(each.known)
        parts = [_NONE if part is None else f"{part / GB:,.1f}" for part in (each.weights, each.cache)]
        rows.append((each.quantization, *parts, together))
    header = ("Weights at", ">Weights GB", ">Cache GB", ">Together GiB")
    return Section(title=f"Memory in all, without overhead{asked.bound}", header=header, rows=rows)


def _matrix(asked: Asked) -> Section:
    by_gpu: dict[str, list[str]] = {gpu.key: [] for gpu in asked.gpus}
    for row in asked.rows:
        by_gpu[row.fit.gpu.key].append(gpus_text(row.fit))
    header = ("=GPU", *(f">{each}" for each in asked.quantizations))
    return Section(
        title=f"GPUs needed{asked.bound}", header=header, rows=[(name, *cells) for name, cells in by_gpu.items()]
    )


def _table(asked: Asked, quantization: str) -> Section:
    header = ("GPU", ">GPUs", ">GiB each", *(f">{each}\ntok/s" for each in _SPEEDS), ">USD/h", "~Cost and notes")
    rows = [_cells(asked, row) for row in asked.rows_of(quantization)]
    on = "By type of GPU" if asked.count is None else f"On {asked.count:,} of each type of GPU"
    return Section(title=f"{on}, at {quantization}", header=header, rows=rows)


def _cells(asked: Asked, row: Row) -> Sequence[str]:
    found, speed, cost = row.fit, row.rates, row.rent
    each = _NONE
    if found.weights_each is not None:
        each = f"{gib(found.weights_each + (found.cache_each or 0.0) + found.overhead_each)}/{gib(found.usable_each)}"
    notes = [rent_text(cost)] if cost else []
    return (
        found.gpu.key,
        gpus_text(found),
        each,
        *_speed_cells(asked, speed),
        _hourly(cost),
        "; ".join([*notes, *row_notes(asked.model, found)]),
    )


def _speed_cells(asked: Asked, speed: Rates | None) -> tuple[str, str, str]:
    if speed is None:
        return _NONE, _NONE, _NONE
    prefill = _NONE if speed.prefill is None else amount(speed.prefill)
    if speed.decode_each is None or speed.decode_all is None or speed.reached_all is None:
        return _NONE, _NONE, prefill
    decode = amount(speed.decode_each)
    if asked.load.concurrency > 1:
        decode = f"{decode};\n{amount(speed.decode_all)}"
    return decode, f"{amount(speed.reached_all[0])}-{amount(speed.reached_all[1])}", prefill


def _hourly(cost: Rent | None) -> str:
    if cost is None:
        return "?"
    low, high = (f"{value:,.2f}".removesuffix(".00") for value in (cost.usd_per_hour_low, cost.usd_per_hour_high))
    return (low if low == high else f"{low}-{high}") + ("+" if cost.figure.at_least else "")


def _detail(asked: Asked, row: Row) -> Section:
    found = row.fit
    title = f"{found.held.quantization} on {found.gpu.key}"
    if found.weights_each is None:
        return Section(title=title, lines=row_notes(asked.model, found))
    needed = found.weights_each + (found.cache_each or 0.0) + found.overhead_each
    cache = "cache not counted"
    if found.cache_each is not None:
        cache = f"{'at most ' if found.at_most else ''}{gib(found.cache_each)} cache"
    parts = f"{gib(found.weights_each)} weights, {cache}, {gib(found.overhead_each)} overhead"
    on = "" if asked.count is None else f"; here {asked.count:,}"
    pairs = [
        ("GPUs", f"{bound_text(found)}{gpus_text(found)}{on}"),
        ("memory of each", f"{gib(needed)} GiB: {parts}"),
        ("usable of each", f"{gib(found.usable_each)} GiB of {gib(found.card_each)}"),
        *_detail_room(found),
        *_detail_speed(asked, row.rates),
        ("cost", rent_text(row.rent) if row.rent else "not known to the catalog"),
        *(("note", note) for note in row_notes(asked.model, found)),
    ]
    return Section(title=title, pairs=pairs)


def _detail_room(found: Fit) -> Iterator[tuple[str, str]]:
    least = "at least " if found.at_most else ""
    if found.left is not None:
        yield "left for cache" if found.cache_each is None else "left", f"{least}{gib(found.left)} GiB in all"
    if found.requests_that_fit or (found.requests_that_fit == 0 and not found.at_most):
        yield "fit at once", f"{least}{found.requests_that_fit:,} requests of that length"


def _detail_speed(asked: Asked, speed: Rates | None) -> Iterator[tuple[str, str]]:
    if speed is None:
        return
    several = asked.load.concurrency > 1
    if speed.decode_each is not None and speed.decode_all is not None and speed.reached_all is not None:
        whole = f", {amount(speed.decode_all)} in all" if several else ""
        yield "decode ceiling", f"{amount(speed.decode_each)} tokens/s{' each' if several else ''}{whole}"
        low, high = speed.reached_all
        yield "of it reached", f"{amount(low)} to {amount(high)} tokens/s{' in all' if several else ''}"
    if speed.prefill is not None:
        yield "prefill ceiling", f"{amount(speed.prefill)} tokens/s"


def _legend(asked: Asked) -> list[str]:
    rules, (low, high) = asked.catalog.rules, asked.reached
    several = asked.load.concurrency > 1
    each = "each GPU" if asked.named else "GiB each is what a GPU holds, and what it may at most: it"
    lines = [
        f"{each} holds {rules.memory_overhead_gib:g} GiB beside weights and cache, and"
        f" {rules.collective_overhead_gib:g} GiB more where there are several; {rules.memory_utilisation:g} of its"
        " memory may be used",
        f"decode{_ALL if several and not asked.named else ''} and prefill are tokens/s that nothing exceeds without"
        f" speculative decoding; real stacks reach {low:g} to {high:g} of the decode"
        f" ceiling{' of all requests' if several else ''}",
    ]
    if any(row.fit.devices != row.fit.needed for row in asked.rows) and asked.count is None:
        lines.append(
            "in brackets is the next power of two, as stacks split a model over GPUs: the other figures are for that"
        )
    if not asked.named and any(row.rent is None for row in asked.rows):
        lines.append("a price of ? is not known to the catalog: a layer states it in catalog/hosting.yaml")
    return lines
