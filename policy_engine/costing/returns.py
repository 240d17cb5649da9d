"""What self-running gives back against an API: total cost over months, pay-back month, return on the investment."""

from __future__ import annotations

import math

from msgspec import Struct

from policy_engine.model.ranges import ENDS, Range

HORIZONS_MONTHS = (12, 36)


class Outlay(Struct, frozen=True):
    """What is paid: `running` a month without purchases, `once` at the start, and a purchase that is made again.

    `life_months` is after how many months what was bought is bought again.
    """

    running: Range
    once: Range
    purchase: Range
    life_months: Range

    def purchases(self, months: int) -> Range:
        """Return what purchases cost within so many months: each is paid in full when it is made."""
        times = Range(
            *(
                float(math.ceil(months / life))
                for life in (self.life_months.high, self.life_months.central, self.life_months.low)
            )
        )
        return self.purchase * times

    def total(self, months: int) -> Range:
        """Return the total cost of ownership over so many months."""
        return self.once + self.purchases(months) + self.running.times(months)


class Ends(Struct, frozen=True):
    """A result by end, the low one being the lowest number; None at an end where there is none: it never comes."""

    low: float | None
    central: float | None
    high: float | None

    def document(self) -> dict[str, object]:
        ends = {name: getattr(self, name) for name in ENDS}
        return {**ends, "never": [name for name, value in ends.items() if value is None]}


class Returns(Struct, frozen=True):
    """Saving a month, what it takes once, months until it is paid back, and the return after 36 months as a ratio."""

    saving: Range
    invested: Range
    payback_months: Ends
    roi: Range | None


def returns(own: Outlay, api: Outlay) -> Returns:
    """Return what `own` gives back against `api`. What both pay once alike must be left out of both."""
    saving = api.running - own.running
    invested = own.once + own.purchase - api.once
    months = Ends(
        _payback(invested.low, saving.high),
        _payback(invested.central, saving.central),
        _payback(invested.high, saving.low),
    )
    longest = HORIZONS_MONTHS[-1]
    spent = own.once + own.purchases(longest) - api.once
    return Returns(saving, invested, months, _roi(saving.times(longest), spent))


def _payback(invested: float, saving: float) -> float | None:
    if saving <= 0:
        return None if invested > 0 or saving < 0 else 0.0
    return max(0.0, invested) / saving


def _roi(saved: Range, spent: Range) -> Range | None:
    """Return what is saved beyond the investment, as a part of it; None where an end invests nothing."""
    if spent.low <= 0:
        return None
    corners = [gain / cost - 1 for gain in (saved.low, saved.high) for cost in (spent.low, spent.high)]
    return Range(min(corners), saved.central / spent.central - 1, max(corners))
