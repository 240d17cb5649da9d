"""The answer of `policy catalog disputes` as a value for programs, and what an entry of either side says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policy_engine.browsing.contest import Contest, Thing
from policy_engine.browsing.reckonings import reckonings
from policy_engine.browsing.stated import document, figure_value
from policy_engine.browsing.words import (
    example_words,
    hosting_words,
    memory_words,
    ownership_words,
    price_words,
    speed_words,
)
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


def entry_words(figure: Entry) -> str:
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
            {"says": entry_words(each), **figure_value(contest.catalog, each, contest.day)} for each in contest.others
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
                "says": entry_words(each.figure),
                **figure_value(contest.catalog, each.figure, contest.day),
                "standing": each.state,
                "why": each.why,
            }
            for each in thing.standings
        ],
    }
