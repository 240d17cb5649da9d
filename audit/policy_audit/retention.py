"""Retention periods: which there are, which of them cover a decision, and until when. Pure; the data is the caller's.

A period runs from the later of the recording and the day on which the decision last was in effect
(45 CFR 164.316(b)(2)(i): "from the date of its creation or the date when it last was in effect, whichever is later").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Period:
    """So many calendar months, for decisions on data under one of `regulations`; None: for every entry.

    `minimum` is set where a law demands it: no layer may shorten it.
    """

    id: str
    months: int
    source: str
    regulations: frozenset[str] | None = None
    minimum: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """What covers an entry: the period that ends last, and its end; no end where no period is known to end."""

    by: str
    until: datetime | None


class Retention:
    """The periods in force. At least one is for every entry.

    INVARIANT: what is not known lengthens: unknown regulations count as the longest period, and a regulation for
    which no period is known covers without end.
    """

    def __init__(self, periods: Sequence[Period]) -> None:
        self.periods = tuple(periods)
        general = [period for period in self.periods if period.regulations is None]
        if not general or any(period.months < 1 for period in self.periods):
            raise ValueError("a period for every entry is needed, and each of a month or more")
        self.general = max(general, key=lambda period: period.months)
        self.longest = max(self.periods, key=lambda period: period.months)

    def unknown(self, regulations: Sequence[str]) -> list[str]:
        """Return those of the regulations that no period is for: what they apply to is covered without end."""
        known = {name for period in self.periods for name in period.regulations or ()}
        return [name for name in regulations if name not in known]

    def cover(self, regulations: Sequence[str] | None, start: datetime) -> Cover:
        """Return what covers a decision on data under `regulations`, None where they are not known."""
        if regulations is None:
            return Cover(self.longest.id, add_months(start, self.longest.months))
        unknown = self.unknown(regulations)
        if unknown:
            return Cover(f"no period is known for `{unknown[0]}`", None)
        chosen = [self.general]
        chosen += [period for period in self.periods if (period.regulations or frozenset()) & frozenset(regulations)]
        last = max(chosen, key=lambda period: period.months)
        return Cover(last.id, add_months(start, last.months))


def add_months(start: datetime, months: int) -> datetime:
    """Return the same day `months` later; where that month is too short, the first of the next, so never too early."""
    moment = start.astimezone(UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > 9998:
        return datetime.max.replace(tzinfo=UTC)
    try:
        return moment.replace(year=year, month=month + 1)
    except ValueError:
        later, after = divmod(year * 12 + month + 1, 12)
        return moment.replace(year=later, month=after + 1, day=1)
