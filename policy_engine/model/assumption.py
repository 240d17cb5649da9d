"""What a cost is reckoned with that nobody stated for the workload: a range, with its unit and who says so."""

from __future__ import annotations

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
#: Those that something is divided by, or that nothing could run without.
_ABOVE_ZERO = frozenset({"peak_share", "hours_per_month", "decode_reached", "prefill_reached", "hardware_life_months"})
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


def wrong_range(name: str, unit: str, low: float, central: float, high: float) -> str | None:
    """Say what is wrong with the range of an assumption; None where nothing is."""
    if not is_range(low, central, high):
        return f"`{name}` needs a low, a central and a high number, in that order"
    least, most = _BOUNDS.get(unit, (0.0, _MOST))
    if low < least or high > most:
        return f"`{name}` lies between {least:g} and {most:,g} {unit}"
    if name in _ABOVE_ZERO and low <= 0:
        return f"`{name}` must be above 0 {unit}"
    if name == _ONE_NUMBER and low != high:
        return f"`{name}` is one number: neither more nor fewer hours are always cheaper"
    if unit == "replicas" and any(value != int(value) for value in (low, central, high)):
        return f"`{name}` is a number of whole replicas"
    return None
