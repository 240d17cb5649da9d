"""How often somebody may ask: a bucket for each, which fills by time."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

#: Buckets that are kept; whoever has not asked for longest is forgotten first, with a full bucket.
MOST_KEPT = 10_000


class Rates:
    """Buckets of `burst` requests, filled by `rate` a second; a rate of 0 limits nothing. For one event loop."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, max(burst, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> int:
        """Take one out of `key`'s bucket at `now`, in seconds; return 0, or the seconds until there is one."""
        if seconds := self.wait(key, now):
            return seconds
        if self._rate:
            self._left[key] = (self.left(key, now) - 1, now)
            self._left.move_to_end(key)
            if len(self._left) > MOST_KEPT:
                self._left.popitem(last=False)
        return 0

    def wait(self, key: str, now: float) -> int:
        """Return 0 where one can be taken, or the seconds until then."""
        left = self.left(key, now)
        return 0 if not self._rate or left >= 1 else max(1, ceil((1 - left) / self._rate))

    def left(self, key: str, now: float) -> float:
        """Return how many are in the bucket."""
        left, then = self._left.get(key, (self._burst, now))
        # a clock that stepped back fills nothing
        return min(self._burst, left + max(0.0, now - then) * self._rate)


def address_key(address: str) -> str:
    """Return what an address is counted by: IPv6 by its /64, all of which one host may have."""
    if ":" not in address:
        return address
    from ipaddress import IPv6Address, IPv6Network

    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))
