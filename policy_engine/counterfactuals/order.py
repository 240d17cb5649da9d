"""Which option comes first, by points and cost, and whether that is firm: the ranking without its reasons.

INVARIANT: it says what `combining.rank` says; `tests/property/test_counterfactuals.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from policy_engine.combining import OptionInput
from policy_engine.counterfactuals.bits import Points
from policy_engine.model.vocabulary import OPTIONS

_COUNT = len(OPTIONS)


class Order(NamedTuple):
    """The option that comes first, and whether none could come before it whatever is not known.

    `provisional` is the first of the uncertain ones where none is permitted.
    """

    recommended: str | None
    firm: bool
    provisional: str | None = None


def weighed(statuses: Sequence[str], points: Points, proposed: bool) -> frozenset[str]:
    """Return the options whose cost decides which comes first, or whether that is firm."""
    permitted = [place for place in range(_COUNT) if statuses[place] == "permitted"]
    if not permitted:
        level = _level([place for place in range(_COUNT) if statuses[place] == "uncertain"], points)
        return frozenset([OPTIONS[place] for place in level]) if len(level) > 1 else frozenset()
    level = _level(permitted, points)
    found = set(level) if len(level) > 1 else set()
    if not proposed:  # only then is it asked whether the recommendation is firm
        lows = {points[_COUNT + place] for place in level}
        rivals = [
            p for p in range(_COUNT) if statuses[p] in ("permitted", "uncertain") and points[2 * _COUNT + p] in lows
        ]
        if len(level) > 1 or any(place != level[0] for place in rivals):
            found.update(level, rivals)
    return frozenset([OPTIONS[place] for place in found])


def order(statuses: Sequence[str], points: Points, inputs: Mapping[str, OptionInput]) -> Order:
    """Return which option comes first at the costs in `inputs`; those that it does not name have none."""
    permitted = [place for place in range(_COUNT) if statuses[place] == "permitted"]
    if not permitted:
        uncertain = [place for place in range(_COUNT) if statuses[place] == "uncertain"]
        return Order(None, False, OPTIONS[_first(uncertain, points, inputs)] if uncertain else None)
    best = _first(permitted, points, inputs)
    given = inputs.get(OPTIONS[best])
    last = (-points[_COUNT + best], inf if given is not None and given.cost_open else _cost(given), best)
    for place in range(_COUNT):
        if place == best or statuses[place] not in ("permitted", "uncertain"):
            continue
        high = -points[2 * _COUNT + place]
        if high > last[0]:
            continue
        given = inputs.get(OPTIONS[place])
        if (high, 0.0 if given is not None and given.cost_open else _cost(given), place) < last:
            return Order(OPTIONS[best], False)
    return Order(OPTIONS[best], True)


def _level(places: Sequence[int], points: Points) -> list[int]:
    """Return those of the options with the most points."""
    top = max([points[place] for place in places], default=0)
    return [place for place in places if points[place] == top]


def _first(places: Sequence[int], points: Points, inputs: Mapping[str, OptionInput]) -> int:
    """Return the option that comes first of these."""
    level = _level(places, points)
    return level[0] if len(level) == 1 else min(level, key=lambda place: (_cost(inputs.get(OPTIONS[place])), place))


def _cost(given: OptionInput | None) -> float:
    return inf if given is None or given.monthly_usd is None else given.monthly_usd
