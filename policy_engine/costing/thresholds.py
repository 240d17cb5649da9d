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
from policy_engine.model.ranges import total
from policy_engine.model.rule import Parameter

#: What the figure here is beside the source's: lower, higher, about the same.
_TIMES = ("sooner here", "later here", "within the range here")
_SIZES = ("less here", "more here", "within the range here")
NEVER = "never here"
OPEN = "at least that here, and how much is not known"


class Threshold(Struct, frozen=True):
    """What a source says of `what`, and the same reckoned for this workload; in `unit`.

    `verdict` compares them. `against` is the API that self-hosting is held against, None where it is held against none.
    """

    what: str
    criterion: str
    source: str
    says: tuple[float, ...]
    unit: str
    here: BreakEven | Ends
    verdict: str
    against: str | None


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
        found = _verdict(value, value, here, _TIMES)
        return Threshold("pays from", each.criterion or "", each.source, (value,), unit, here, found, against)

    rows = [
        one("self_hosting_spend_usd_per_month", "USD/month of API spend", spend),
        one("open_model_tokens_per_month", "tokens/month", even),
        one("self_hosting_tokens_per_day", "tokens/month", even, DAYS_PER_MONTH),
        one("payback_tokens_per_month", "tokens/month", even),
    ]
    return (*rows, *_payback(parameters, found, load, against), *_machines(parameters, found.own))


def _is_it(each: Compared, reference: Line | None) -> bool:
    own = each.own
    return own.option == "self_hosted" and own.machine is not None and not own.machine.owned and each.api is reference


def _times(tokens: float | None, usd_per_million: float) -> float | None:
    return None if tokens is None else tokens / 1e6 * usd_per_million


def _ends(parameters: Mapping[str, Parameter], least: str, most: str) -> tuple[Parameter, float, float]:
    low: Any = parameters[least].value
    high: Any = parameters[most].value
    return parameters[most], float(low), float(high)


def _payback(parameters: Mapping[str, Parameter], found: Compared, load: Load, against: str) -> tuple[Threshold, ...]:
    if found.returns is None or load.tokens is None:
        return ()
    each, low, high = _ends(parameters, "payback_months_min", "payback_months_max")
    months = found.returns.payback_months
    verdict = _verdict(low, high, months, _TIMES)
    return (
        Threshold(
            "is paid back after", each.criterion or "", each.source, (low, high), "months", months, verdict, against
        ),
    )


def _machines(parameters: Mapping[str, Parameter], own: Line) -> tuple[Threshold, ...]:
    """Return what infrastructure is said to cost, beside the machines here, without people."""
    if own.parts is None:
        return ()
    names = ("self_hosting_infrastructure_usd_per_month_min", "self_hosting_infrastructure_usd_per_month_max")
    each, low, high = _ends(parameters, *names)
    cost = total(own.parts[name] for name in ("machines", "power_and_space"))
    here = Ends(cost.low, cost.central, cost.high, at_least=own.at_least)
    verdict = _verdict(low, high, here, _SIZES)
    return (
        Threshold(
            "takes machines of", each.criterion or "", each.source, (low, high), "USD/month", here, verdict, None
        ),
    )


def _verdict(low: float, high: float, here: BreakEven | Ends, words: tuple[str, str, str]) -> str:
    """Say where the figure here lies by the source's figure, or range."""
    if here.low is None:
        return NEVER
    if high < here.low:
        return words[1]
    if here.at_least:
        return OPEN
    return words[0] if here.high is not None and low > here.high else words[2]
