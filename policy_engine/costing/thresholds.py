"""The volumes and spends from which the articles call self-hosting worth while, beside what comes out here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.costing.compared import Compared
from policy_engine.costing.curve import BreakEven
from policy_engine.costing.lines import Line, Load
from policy_engine.costing.returns import Ends
from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.model.rule import Parameter

SOONER, LATER, WITHIN, NEVER = "sooner here", "later here", "within the range", "never here"


class Threshold(Struct, frozen=True):
    """What a source says, and the same reckoned for this workload against `against`; in `unit`.

    `verdict` compares them: where the source's figure lies below the range here, it pays later here than it says.
    """

    criterion: str
    source: str
    says: tuple[float, ...]
    unit: str
    here: BreakEven | Ends
    verdict: str
    against: str


def thresholds_of(
    parameters: Mapping[str, Parameter], compared: Sequence[Compared], reference: Line | None, load: Load
) -> tuple[Threshold, ...]:
    """Return each threshold; none where nothing rents machines here, or no API is there to compare with."""
    found = next((each for each in compared if _is_it(each, reference)), None)
    if found is None or reference is None or reference.curve is None:
        return ()
    even, price = found.break_even, reference.curve.usd_per_million
    spend = BreakEven(
        _times(even.low, price.high), _times(even.central, price.central), _times(even.high, price.low), even.at_least
    )
    against = f"{reference.model} on {reference.option}"

    def one(name: str, unit: str, here: BreakEven, by: float = 1.0) -> Threshold:
        each = parameters[name]
        says: Any = each.value
        value = float(says) * by
        return Threshold(each.criterion or "", each.source, (value,), unit, here, _verdict(value, value, here), against)

    rows = [
        one("self_hosting_spend_usd_per_month", "USD/month of API spend", spend),
        one("open_model_tokens_per_month", "tokens/month", even),
        one("self_hosting_tokens_per_day", "tokens/month", even, DAYS_PER_MONTH),
        one("payback_tokens_per_month", "tokens/month", even),
    ]
    return (*rows, *_payback(parameters, found, load, against))


def _is_it(each: Compared, reference: Line | None) -> bool:
    own = each.own
    return own.option == "self_hosted" and own.machine is not None and not own.machine.owned and each.api is reference


def _times(tokens: float | None, usd_per_million: float) -> float | None:
    return None if tokens is None else tokens / 1e6 * usd_per_million


def _payback(parameters: Mapping[str, Parameter], found: Compared, load: Load, against: str) -> tuple[Threshold, ...]:
    if found.returns is None or load.tokens is None:
        return ()
    least, most = parameters["payback_months_min"], parameters["payback_months_max"]
    ends: Any = (least.value, most.value)
    low, high = float(ends[0]), float(ends[1])
    months = found.returns.payback_months
    verdict = _verdict(low, high, months)
    return (Threshold(most.criterion or "", most.source, (low, high), "months to pay back", months, verdict, against),)


def _verdict(low: float, high: float, here: BreakEven | Ends) -> str:
    """Say where the source's figure, or range, lies by the range here."""
    if here.low is None:
        return NEVER
    if high < here.low:
        return LATER
    return SOONER if here.high is not None and low > here.high else WITHIN
