"""Where the order of costs turns as the volume grows: between models of one option, and between options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from math import ceil, floor, inf
from typing import NamedTuple

from policy_engine.catalog import OptionModels

#: As many boxes of hardware as steps are looked at.
MOST_BOXES = 32


class _Curve(NamedTuple):
    """A cost: `offset + slope * x`, or, of boxes that hold `room` tokens each, `offset + box * boxes`."""

    option: str
    offset: float
    slope: float = 0.0
    box: float = 0.0
    room: float = inf
    other: float = 0.0


def turning_points(
    found: Iterable[OptionModels], sent: bool, other: float, share: float, low: float, high: float
) -> list[int]:
    """Return the numbers of tokens next to which one of these costs overtakes another, between `low` and `high`.

    `sent` says which direction the number is of, `other` is the number of the other one, and `share` the task's part.
    """
    curves = [curve for each in found for curve in _curves(each, sent, other, share)]
    points = [at for one, two in combinations(curves, 2) for at in _meeting(one, two, low, high)]
    points += [at for curve in curves for at in _steps(curve, low, high)]
    found_at: set[int] = set()
    for at in {floor(point) for point in points}:
        if _order(curves, at - 2) != _order(curves, at + 3):
            found_at.update((at - 1, at, at + 1, at + 2))
    return sorted(point for point in found_at if low < point < high)


def _order(curves: list[_Curve], tokens: float) -> list[tuple[str, int]]:
    """Return the options by their least cost, each with the curve that has it."""
    least: dict[str, tuple[float, str, int]] = {}
    for place, (option, offset, slope, box, room, other) in enumerate(curves):
        cost = offset + box * max(1, ceil((tokens + other) / room)) if box else offset + slope * tokens
        if option not in least or cost < least[option][0]:
            least[option] = (cost, option, place)
    return [(option, place) for _, option, place in sorted(least.values())]


def _curves(found: OptionModels, sent: bool, other: float, share: float) -> Iterator[_Curve]:
    needs, benchmark = found.asked.needs, found.asked.needs.score_benchmark
    rated = found.contenders
    if needs.quality == "best":  # only those with the best score are compared by cost
        best = max((each.candidate.scores.get(benchmark, -inf) for each in rated), default=-inf)
        rated = tuple(each for each in rated if each.candidate.scores.get(benchmark, -inf) == best)
    lines = {
        (price.input_usd_per_million, price.output_usd_per_million)
        for each in rated
        for offer in each.offers
        if (price := offer.price) is not None
    }
    per_token = [((one, two) if sent else (two, one)) for one, two in lines]
    scale = share / 1e6
    for slope, offset in _undominated((slope * scale, other * offset * scale) for slope, offset in per_token):
        yield _Curve(found.option, offset, slope)
    plans = {
        (plan.usd, plan.engineers_usd, inf if plan.figure is None else plan.tokens_per_month or inf)
        for each in rated
        for plan in each.plans
    }
    for usd, engineers, room in _smallest(plans):
        yield _Curve(found.option, engineers, box=usd, room=room / share if share else inf, other=other)


def _smallest(plans: Iterable[tuple[float, float, float]]) -> Iterator[tuple[float, float, float]]:
    """Yield the boxes that no other undercuts: as cheap, and with as much room."""
    most = -1.0
    for usd, engineers, room in sorted(plans, key=lambda each: (each[0] + each[1], each[0], -each[2])):
        if room > most:
            most = room
            yield usd, engineers, room


def _undominated(lines: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    lowest = inf
    for slope, offset in sorted(lines):
        if offset < lowest:
            lowest = offset
            yield slope, offset


def _meeting(one: _Curve, two: _Curve, low: float, high: float) -> Iterator[float]:
    """Yield where the two are equal; of boxes, for as many as are looked at."""
    if not one.box and not two.box:
        if one.slope != two.slope:
            yield from _within((two.offset - one.offset) / (one.slope - two.slope), low, high)
        return
    if one.box and two.box:
        return  # they change in steps alone, and each step is looked at
    line, steps = (two, one) if one.box else (one, two)
    if line.slope:
        for boxes in _boxes(steps, low):
            at = (steps.offset + steps.box * boxes - line.offset) / line.slope
            yield from _within(at, low, high)


def _boxes(curve: _Curve, low: float) -> range:
    """Return the numbers of boxes that are looked at: those from `low` on."""
    now = 1 if curve.room == inf else max(1, ceil((low + curve.other) / curve.room))
    return range(now, now + (1 if curve.room == inf else MOST_BOXES))


def _within(at: float, low: float, high: float) -> Iterator[float]:
    if low <= at <= high:
        yield at


def _steps(curve: _Curve, low: float, high: float) -> Iterator[float]:
    """Yield where one more box is needed."""
    if not curve.box or curve.room == inf:
        return
    for boxes in _boxes(curve, low):
        at = curve.room * boxes - curve.other
        yield from _within(at, low, high)
