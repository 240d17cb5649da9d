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
    """A result by end, the low one being the lowest number; None at an end where there is none: it never comes.

    `at_least` where it rests on a cost that is a floor.
    """

    low: float | None
    central: float | None
    high: float | None
    at_least: bool = False

    def document(self) -> dict[str, object]:
        ends = {name: getattr(self, name) for name in ENDS}
        return {**ends, "never": [name for name, value in ends.items() if value is None], "at_least": self.at_least}


class Returns(Struct, frozen=True):
    """Saving a month without purchases, what it takes once, the first month that has paid all, return after 36 months.

    The return is a ratio. `floor` where the self-run cost is a floor: saving and return are at most that.
    """

    saving: Range
    invested: Range
    payback_months: Ends
    roi: Range | None
    floor: bool = False


def returns(own: Outlay, api: Outlay, floor: bool = False) -> Returns:
    """Return what `own` gives back against `api`. What both pay once alike must be left out of both."""
    saving = api.running - own.running
    once, bought, life = own.once - api.once, own.purchase, own.life_months
    months = Ends(
        _payback(once.low, bought.low, life.high, saving.high),
        _payback(once.central, bought.central, life.central, saving.central),
        _payback(once.high, bought.high, life.low, saving.low),
        at_least=floor,
    )
    longest = HORIZONS_MONTHS[-1]
    spent = own.once + own.purchases(longest) - api.once
    return Returns(saving, once + bought, months, _roi(saving.times(longest), spent), floor)


def _payback(once: float, bought: float, life: float, saving: float) -> float | None:
    """Return the first month by which all savings are as much as what was paid; None where none is.

    In the k-th life k purchases have been paid. The savings reach these within it where `once` is at most k times what
    a life saves beyond its purchase.
    """
    if saving <= 0:
        return None if once + bought > 0 or saving < 0 else 0.0
    left = saving * life - bought
    if once <= left:
        return max(0.0, once + bought) / saving
    lives = once / left if left > 0 else math.inf
    return (once + bought * math.ceil(lives)) / saving if math.isfinite(lives) else None


def _roi(saved: Range, spent: Range) -> Range | None:
    """Return what is saved beyond the investment, as a part of it; None where an end invests nothing."""
    if spent.low <= 0:
        return None
    corners = [gain / cost - 1 for gain in (saved.low, saved.high) for cost in (spent.low, spent.high)]
    return Range(min(corners), saved.central / spent.central - 1, max(corners))
