"""Which option comes first, by points and cost, and whether that is firm: the ranking without its reasons.

INVARIANT: it says what `combining.rank` says; `tests/property/test_counterfactuals.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from policy_engine.combining import OptionInput
from policy_engine.counterfactuals.bits import Points, unpacked
from policy_engine.model.vocabulary import OPTIONS

_COUNT = len(OPTIONS)


class Order(NamedTuple):
    """The option that comes first, and whether none could come before it whatever is not known.

    `provisional` is the first of the uncertain ones where none is permitted.
    """

    recommended: str | None
    firm: bool
    provisional: str | None = None


class Costs(NamedTuple):
    """What each option costs, by its place: where that is not known, more than any. Then the most and the least."""

    given: tuple[float, ...]
    most: tuple[float, ...]
    least: tuple[float, ...]


def costs_of(inputs: Mapping[str, OptionInput]) -> Costs:
    """Return the costs in `inputs`; options that it does not name have none."""
    every = [inputs.get(option) for option in OPTIONS]
    given = tuple([inf if each is None or each.monthly_usd is None else each.monthly_usd for each in every])
    open_ = [each is not None and bool(each.cost_open) for each in every]
    most = tuple([inf if waits else cost for waits, cost in zip(open_, given, strict=True)])
    least = tuple([0.0 if waits else cost for waits, cost in zip(open_, given, strict=True)])
    return Costs(given, most, least)


def weighed(statuses: Sequence[str], points: Points, proposed: bool) -> frozenset[str]:
    """Return the options whose cost decides which comes first, or whether that is firm."""
    by_place = unpacked(points)
    permitted = [place for place in range(_COUNT) if statuses[place] == "permitted"]
    if not permitted:
        level = _level([place for place in range(_COUNT) if statuses[place] == "uncertain"], by_place)
        return frozenset([OPTIONS[place] for place in level]) if len(level) > 1 else frozenset()
    level = _level(permitted, by_place)
    found = set(level) if len(level) > 1 else set()
    if not proposed:  # only then is it asked whether the recommendation is firm
        lows = {by_place[_COUNT + place] for place in level}
        rivals = [
            p for p in range(_COUNT) if statuses[p] in ("permitted", "uncertain") and by_place[2 * _COUNT + p] in lows
        ]
        if len(level) > 1 or any(place != level[0] for place in rivals):
            found.update(level, rivals)
    return frozenset([OPTIONS[place] for place in found])


def order(statuses: Sequence[str], points: Points, costs: Costs) -> Order:
    """Return which option comes first at these costs."""
    by_place = unpacked(points)
    permitted = [place for place in range(_COUNT) if statuses[place] == "permitted"]
    if not permitted:
        uncertain = [place for place in range(_COUNT) if statuses[place] == "uncertain"]
        return Order(None, False, OPTIONS[_first(uncertain, by_place, costs)] if uncertain else None)
    best = _first(permitted, by_place, costs)
    least, last = by_place[_COUNT + best], (costs.most[best], best)
    for place in range(_COUNT):
        if place == best or statuses[place] not in ("permitted", "uncertain"):
            continue
        greatest = by_place[2 * _COUNT + place]
        if greatest > least or (greatest == least and (costs.least[place], place) < last):
            return Order(OPTIONS[best], False)
    return Order(OPTIONS[best], True)


def _level(places: Sequence[int], by_place: Sequence[int]) -> list[int]:
    """Return those of the options with the most points."""
    top = max([by_place[place] for place in places], default=0)
    return [place for place in places if by_place[place] == top]


def _first(places: Sequence[int], by_place: Sequence[int], costs: Costs) -> int:
    """Return the option that comes first of these."""
    level = _level(places, by_place)
    return level[0] if len(level) == 1 else min(level, key=lambda place: (costs.given[place], place))
