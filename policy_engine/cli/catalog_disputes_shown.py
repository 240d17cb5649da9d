"""The answer of `policy catalog disputes`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from policy_engine.browsing.contest import Contest, Thing
from policy_engine.browsing.reckonings import reckonings
from policy_engine.catalog.entries import (
    CostExample,
    Entry,
    HostingCost,
    Licence,
    MemoryRequirement,
    Model,
    OwnershipCost,
    Price,
    Route,
    Score,
    Speed,
)
from policy_engine.cli.catalog_common import document, figure_value, marks
from policy_engine.cli.catalog_words import (
    example_words,
    hosting_words,
    memory_words,
    ownership_words,
    price_words,
    speed_words,
    standing_text,
)
from policy_engine.cli.sections import Section
from policy_engine.wording import value_text

_MOST_SHOWN = 2
_NO_FIGURE = "no figure and no parameter: the sides differ in words"


def as_sections(contests: Sequence[Contest], whole: bool) -> list[Section]:
    """Return what people read: a table of all, or each that was named as a `whole`."""
    if whole:
        return [section for contest in contests for section in _whole(contest)]
    rows = [(each.dispute.id, each.dispute.about, _overview(each)) for each in contests]
    header = ("=Dispute", "=About", "~What arithmetic says, and which source counts")
    lines = ["`policy catalog disputes ID` shows one in full"]
    return [Section(title=f"Disputes on {contests[0].day}", header=header, rows=rows), Section(lines=lines)]


def _overview(contest: Contest) -> str:
    results = [each.says for each in reckonings(contest) if each.result][:_MOST_SHOWN]
    counting = "; ".join(_counting(contest))
    return "\n".join([*results, f"counts: {counting}" if counting else _nothing(contest)])


def _nothing(contest: Contest) -> str:
    if contest.things:
        return "none of the figures is used"
    return "each figure stands for itself" if contest.others else _NO_FIGURE


def _counting(contest: Contest) -> Iterator[str]:
    for thing in contest.things:
        if thing.counts is not None:
            yield f"{thing.name} by {thing.counts.source}"
    for each in contest.parameters:
        yield f"param.{each.name} by {each.source}"


def _whole(contest: Contest) -> Iterator[Section]:
    dispute, day = contest.dispute, contest.day
    sides = [(", ".join(each.sources) or "nobody", each.says) for each in dispute.parties]
    yield Section(title=f"{dispute.id}: {dispute.about}", pairs=sides or [("sides", dispute.sides)])
    steps = [each.says for each in reckonings(contest)]
    yield Section(title="Arithmetic", lines=steps or ["there is nothing to reckon with: the sides differ in words"])
    yield Section(title=f"Which side counts on {day}", lines=list(_standing_lines(contest)) or [_nothing(contest)])
    if contest.others:
        yield Section(title="Stated beside it", lines=[_stated(contest, each) for each in contest.others])
    resting = [f"{each.rule.id} {each.why}" for each in contest.resting]
    yield Section(title="Rules that rest on it", lines=resting or [_none_rests(contest)])


def _none_rests(contest: Contest) -> str:
    if any(isinstance(thing.counts, Price | HostingCost) for thing in contest.things):
        return "none; what an option costs decides between options of one score"
    return "none"


def _standing_lines(contest: Contest) -> Iterator[str]:
    for thing in contest.things:
        for each in thing.standings:
            yield f"{thing.name}: {_stated(contest, each.figure)}; {standing_text(each)}"
    for parameter in contest.parameters:
        unit = f" {parameter.unit}" if parameter.unit else ""
        others = [
            f"{value_text(each.value)} by {each.source}"
            for each in parameter.alternatives
            if each.dispute == contest.dispute.id
        ]
        layer = "" if parameter.layer == "shipped" else f", layer {parameter.layer}"
        yield (
            f"param.{parameter.name}: {value_text(parameter.value)}{unit} by {parameter.source}{layer} counts; else"
            f" {', '.join(others)}"
        )


def _stated(contest: Contest, figure: Entry) -> str:
    return f"{_words(figure)} ({marks(contest.catalog, figure, contest.day)})"


def _words(figure: Entry) -> str:
    """Write what an entry says."""
    match figure:
        case Price():
            return price_words(figure) + ("" if figure.blended else ", USD per million tokens")
        case Score():
            return f"{figure.score:g}"
        case HostingCost():
            return hosting_words(figure)
        case OwnershipCost():
            return ownership_words(figure)
        case CostExample():
            return example_words(figure)
        case Speed():
            return speed_words(figure)
        case MemoryRequirement():
            return f"{figure.model} takes {memory_words(figure)}"
        case Route():
            return f"{', '.join(figure.models)} for {', '.join(figure.kinds) or 'every kind'}"
        case Licence():
            return f"{figure.key}: commercial use {figure.commercial}"
        case Model():
            return f"the model {figure.key}"
    return figure.key


def as_value(contests: Sequence[Contest]) -> dict[str, Any]:
    """Return the disputes as a value for programs."""
    first = contests[0]
    return document("CatalogDisputes", first.catalog, first.day, disputes=[_value(each) for each in contests])


def _value(contest: Contest) -> dict[str, Any]:
    dispute = contest.dispute
    return {
        "id": dispute.id,
        "about": dispute.about,
        "kind": dispute.kind,
        "sides": [{"sources": list(each.sources), "says": each.says} for each in dispute.parties],
        "arithmetic": [
            {
                "says": each.says,
                "value": each.value,
                "unit": each.unit,
                "rests_on": list(each.rests_on),
                "result": each.result,
            }
            for each in reckonings(contest)
        ],
        "figures": [_thing_value(contest, each) for each in contest.things],
        "stated_beside": [
            {"says": _words(each), **figure_value(contest.catalog, each, contest.day)} for each in contest.others
        ],
        "other_sides": list(contest.catalog.other_sides(dispute.id, contest.day)),
        "parameters": [
            {
                "name": each.name,
                "value": each.value,
                "unit": each.unit,
                "source": each.source,
                "layer": each.layer,
                "others": [
                    {"source": other.source, "value": other.value, "says": other.says}
                    for other in each.alternatives
                    if other.dispute == dispute.id
                ],
            }
            for each in contest.parameters
        ],
        "rules": [{"id": each.rule.id, "why": each.why} for each in contest.resting],
    }


def _thing_value(contest: Contest, thing: Thing) -> dict[str, Any]:
    return {
        "of": thing.name,
        "counts": thing.counts.key if thing.counts else None,
        "standings": [
            {
                "says": _words(each.figure),
                **figure_value(contest.catalog, each.figure, contest.day),
                "standing": each.state,
                "why": each.why,
            }
            for each in thing.standings
        ],
    }
