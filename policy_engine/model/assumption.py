"""What a cost is reckoned with that nobody stated for the workload: a range, with its unit and who says so."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from policy_engine.model.ranges import Range, is_range

_MOST = 1e12
#: The least and the most of a unit that has bounds beside zero and `_MOST`.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "ratio": (0.0, 1.0),
    "W/W": (0.0, 100.0),
    "W/W of all": (1.0, 10.0),
    "hours/month": (0.0, 744.0),
    "requests": (1.0, 1e6),
    "tokens": (1.0, 1e9),
    "months": (1.0, 1200.0),
    "replicas": (0.0, 1000.0),
    "FTE": (0.0, 1e6),
}
#: The least of those that something is divided by, or that nothing could run without.
_LEAST: Mapping[str, float] = {
    "peak_share": 1e-6,
    "decode_reached": 1e-6,
    "prefill_reached": 1e-6,
    "hours_per_month": 1.0,
}
_ONE_NUMBER = "hours_per_month"


class Assumption(Struct, frozen=True):
    """One assumption. `lowers_cost` says that its high end is the one that makes self-running cheap.

    `source` is one of the sources, `project` where the range is this project's own, or who replaced it: a layer, a
    file, the command line, a parameter of the policy. `replaced_by` names that parameter.
    """

    name: str
    range: Range
    unit: str
    meaning: str
    source: str
    criterion: str
    lowers_cost: bool = False
    replaced_by: str | None = None

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            **self.range.document(),
            "unit": self.unit,
            "meaning": self.meaning,
            "source": self.source,
            "criterion": self.criterion,
            "low_cost_takes": "high" if self.lowers_cost else "low",
        }


def wrong_range(name: str, unit: str, low: float, central: float, high: float) -> tuple[str, str] | None:
    """Say what is wrong with the range of an assumption, and with which of its ends; None where nothing is."""
    if not is_range(low, central, high):
        ends = ("low", low), ("central", central), ("high", high)
        endless = [end for end, value in ends if not math.isfinite(value)]
        end = endless[0] if endless else ("low" if low > central else "high")
        return f"`{name}` needs a low, a central and a high number, in that order", end
    least, most = _BOUNDS.get(unit, (0.0, _MOST))
    if low < least or high > most:
        return f"`{name}` lies between {least:g} and {most:,g} {unit}", "low" if low < least else "high"
    least = _LEAST.get(name, 0.0)
    if low < least:
        return f"`{name}` must be above 0 {unit}: {f'{least:.6f}'.rstrip('0').rstrip('.')} at least", "low"
    if name == _ONE_NUMBER and low != high:
        return f"`{name}` is one number: neither more nor fewer hours are always cheaper", "high"
    if unit == "replicas":
        parts = (("low", low), ("central", central), ("high", high))
        broken = next((end for end, value in parts if value != int(value)), None)
        return (f"`{name}` is a number of whole replicas", broken) if broken else None
    return None
