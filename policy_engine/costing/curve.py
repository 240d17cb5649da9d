"""What a month costs at any volume: what is always paid, what each token costs, and whole replicas."""

from __future__ import annotations

import math

from msgspec import Struct

from policy_engine.model.ranges import ENDS, ZERO, Range

MILLION = 1e6


class Curve(Struct, frozen=True):
    """Dollars a month over tokens a month, at one ratio of prompt to answer.

    `fixed` is paid whatever the volume, `usd_per_million` for each million tokens, `replica` for each replica, of which
    there are as many as the volume takes at `capacity` tokens a month each, and `spare` more. Without a known
    capacity one serves everything, and the cost is a floor.
    """

    fixed: Range = ZERO
    usd_per_million: Range = ZERO
    replica: Range = ZERO
    capacity: Range | None = None
    spare: Range = ZERO

    def replicas(self, tokens: float) -> Range:
        """Return how many replicas that volume takes; the low end has the largest capacity."""
        if self.capacity is None:
            return Range(1.0, 1.0, 1.0) + self.spare
        most = self.capacity
        needed = [max(1.0, math.ceil(tokens / each)) for each in (most.high, most.central, most.low)]
        return Range(*needed) + self.spare

    def at(self, tokens: float) -> Range:
        """Return what a month of so many tokens costs."""
        return self.fixed + self.usd_per_million.times(tokens / MILLION) + self.replica * self.replicas(tokens)


class BreakEven(Struct, frozen=True):
    """From how many tokens a month on an API costs at least as much, by end; None at an end where it never does.

    The low end sets the least that self-running may cost against the most of the API, the high end the reverse.
    `at_least` where the self-run cost is a floor.
    """

    low: float | None
    central: float | None
    high: float | None
    at_least: bool

    def document(self) -> dict[str, object]:
        ends = {name: getattr(self, name) for name in ENDS}
        return {**ends, "never": [name for name, value in ends.items() if value is None], "at_least": self.at_least}


def break_even(own: Curve, api: Curve) -> BreakEven:
    """Return the first volume at which the API costs as much as `own`; `api` must cost nothing but tokens."""
    price, most = api.usd_per_million, own.capacity
    ends = (
        (own.fixed.low, own.replica.low, most.high if most else None, own.spare.low, price.high),
        (own.fixed.central, own.replica.central, most.central if most else None, own.spare.central, price.central),
        (own.fixed.high, own.replica.high, most.low if most else None, own.spare.high, price.low),
    )
    low, central, high = (_crossing(*each) for each in ends)
    return BreakEven(low, central, high, at_least=most is None)


def _crossing(
    fixed: float, replica: float, capacity: float | None, spare: float, usd_per_million: float
) -> float | None:
    """Return the first volume whose API bill reaches the self-run cost, which rises by steps; None where none does.

    With k replicas at work the self-run cost is flat, and the bill reaches it at `cost / price`, where that volume is
    still one of k replicas. The least such k follows from the cost of a token on a full replica.
    """
    price = usd_per_million / MILLION
    if price <= 0:
        return None
    if capacity is None:
        return (fixed + replica * (1 + spare)) / price
    margin = price * capacity - replica
    if margin <= 0:
        return None
    steps = (fixed + replica * spare) / margin
    if not math.isfinite(steps):
        return None
    steps = max(1.0, math.ceil(steps))
    found = (fixed + replica * (steps + spare)) / price
    return found if math.isfinite(found) else None
