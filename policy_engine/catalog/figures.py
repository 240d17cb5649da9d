"""Which of several figures counts: a rule, not a choice made by hand.

A later layer's figure comes before an earlier layer's; then the newest counts; of two of the same day the cautious one
(the dearer price, the lower score); then the key decides. A side of a dispute
that is asked for comes before all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeVar

from policy_engine.catalog.entries import Entry, HostingCost, Price, Score

F = TypeVar("F", bound=Entry)
Sides = Mapping[str, str]


def in_force(figure: Entry, at: date) -> bool:
    """Tell whether `figure` counts on the day `at`."""
    return figure.starts <= at and (figure.valid_to is None or at <= figure.valid_to)


def takes_side(figure: Entry, sides: Sides) -> bool:
    """Tell whether `figure` is what one of `sides` says in its dispute."""
    return any(sides.get(dispute) == figure.side for dispute in figure.disputes)


def caution(figure: Entry) -> float:
    """Return what makes of two figures of one day the cautious one: more of it."""
    if isinstance(figure, Price):
        return figure.input_usd_per_million + figure.output_usd_per_million
    if isinstance(figure, HostingCost):
        return figure.usd * figure.hours
    return -figure.score if isinstance(figure, Score) else 0.0


def precedence(figure: Entry, sides: Sides) -> tuple[bool, int, date, float, str]:
    """Return what the figures of one thing are ranked by, what counts most first; the greatest counts."""
    return takes_side(figure, sides), figure.rank, figure.starts, caution(figure), figure.key


def preferred(figures: Iterable[F], sides: Sides) -> F | None:
    """Return the figure that counts, or None where there is none."""
    return max(figures, key=lambda each: precedence(each, sides), default=None)


def amount(figure: Entry) -> tuple[object, ...]:
    """Return what `figure` says, to tell whether two say the same."""
    if isinstance(figure, Price):
        return figure.input_usd_per_million, figure.output_usd_per_million
    if isinstance(figure, HostingCost):
        return figure.gpu, figure.device, figure.count, figure.usd_low * figure.hours, figure.usd_high * figure.hours
    return (figure.score,) if isinstance(figure, Score) else (figure.key,)
