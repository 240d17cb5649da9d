"""Lists with a member more or less, and the regions that are worth naming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from policy_engine.counterfactuals.changed import World
from policy_engine.counterfactuals.choices import Choice
from policy_engine.model.vocabulary import Fact
from policy_engine.model.workload import ANYWHERE

#: The lists that say something wherever they stand.
_NEVER_EMPTY = frozenset({"data.residency", "task.modalities"})
_NAMING = ("proposal.region", "proposal.fallback.region", "hardware.region")


def named_regions(world: World) -> list[str]:
    """Return the regions that the workload or a provider names, and the widest ones around them."""
    regions = world.catalog.regions.by_name
    named = [world.facts[name] for name in _NAMING if name in world.facts]
    named += [each for each in world.facts.get("data.residency", ()) if each != ANYWHERE]
    for _, provider in sorted(world.catalog.providers.items()):
        named += provider.regions or ()
    found: dict[str, None] = {}
    for name in named:
        found[name] = None
        if name in regions:
            found[_widest(regions, name)] = None
    return list(found)


def _widest(regions: Any, name: str) -> str:
    at = regions[name]
    while at.parent is not None and at.parent != "world":
        at = regions[at.parent]
    found: str = at.key
    return found


def member_choices(fact: Fact, world: World, now: list[str] | None, members: Sequence[str]) -> Iterator[Choice]:
    """Yield the list with a member more, with one less, and, where it is not known, each list of one and the empty one.

    Of residency also `[anywhere]`; no list is empty that may not be.
    """
    name, places, may_be_empty = fact.name, fact.name == "data.residency", fact.name not in _NEVER_EMPTY
    if places:
        if now != [ANYWHERE]:
            yield Choice("is", [ANYWHERE], {name: [ANYWHERE]})
        members = named_regions(world)
    members = list(dict.fromkeys(members))
    if now is None or now == [ANYWHERE]:
        if may_be_empty:
            yield Choice("is", [], {name: []})
        yield from (Choice("is", [each], {name: [each]}) for each in members)
        return
    yield from (Choice("add", each, {name: [*now, each]}) for each in members if each not in now)
    if len(now) > 1 or may_be_empty:
        for each in dict.fromkeys(now):
            yield Choice("remove", each, {name: [other for other in now if other != each]})
