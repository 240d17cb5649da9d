"""The volumes and spends from which the articles call self-hosting worth while, beside what comes out here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.costing.compared import Compared
from policy_engine.costing.curve import BreakEven, break_even
from policy_engine.costing.lines import Line, Load
from policy_engine.costing.returns import Ends
from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.model.ranges import ENDS, total
from policy_engine.model.rule import Parameter

#: What the figure here is beside the source's: lower, higher, about the same.
_TIMES = ("sooner here", "later here", "within the range here")
_SIZES = ("less here", "more here", "within the range here")
NEVER = "never here"
_CLOSED = "proprietary_api"
OPEN = "at least that here, and how much is not known"


class Threshold(Struct, frozen=True):
    """What a source says of `what`, and the same reckoned for this workload; in `unit`.

    `verdict` compares them. `against` is the API that it is held against, None where it is held against none, and
    `by` the line that is held against it.
    """

    what: str
    criterion: str
    source: str
    says: tuple[float, ...]
    unit: str
    here: BreakEven | Ends
    verdict: str
    against: str | None
    by: str


def thresholds_of(
    parameters: Mapping[str, Parameter],
    compared: Sequence[Compared],
    opens: Sequence[Line],
    reference: Line | None,
    load: Load,
) -> tuple[Threshold, ...]:
    """Return each threshold that can be reckoned; none where no API is there to compare with.

    `opens` are the open models that may be used, on any option. What is said of self-hosting needs rented machines.
    """
    if reference is None or reference.curve is None:
        return ()
    against = f"{reference.model} on {reference.option}"
    favoured = _open_models(parameters, opens, reference, against)
    found = next((each for each in compared if _is_it(each, reference)), None)
    if found is None:
        return favoured
    even, price = found.break_even, reference.curve.usd_per_million
    spend = BreakEven(
        _times(even.low, price.high), _times(even.central, price.central), _times(even.high, price.low), even.at_least
    )

    def one(name: str, unit: str, here: BreakEven | Ends, by: float = 1.0) -> Threshold:
        says: Any = parameters[name].value
        return _point(parameters[name], ("self-hosting pays from", unit), float(says) * by, here, against, found.own)

    return (
        one("self_hosting_spend_usd_per_month", "USD/month of API spend", spend),
        *favoured,
        one("self_hosting_tokens_per_day", "tokens/month", even, DAYS_PER_MONTH),
        one("payback_tokens_per_month", "tokens/month", even),
        *_payback(parameters, found, load, against),
        *_machines(parameters, found.own),
    )


def _point(
    each: Parameter, what: tuple[str, str], value: float, here: BreakEven | Ends, against: str, by: Line
) -> Threshold:
    verdict = _verdict(value, value, here, _TIMES)
    return Threshold(
        what[0], each.criterion or "", each.source, (value,), what[1], here, verdict, against, _line_name(by)
    )


def _line_name(line: Line) -> str:
    return f"{line.model} on {line.option}"


def _open_models(
    parameters: Mapping[str, Parameter], opens: Sequence[Line], reference: Line, against: str
) -> tuple[Threshold, ...]:
    """Return from how many tokens the open model that pays first, however it is run, costs less than the closed one."""
    each = parameters["open_model_tokens_per_month"]
    if reference.option != _CLOSED or not opens:
        return ()
    found = [(_from(line, reference), line) for line in opens]
    # the one in the middle is named; a floor of what it costs makes the figure one
    first, line = min(found, key=lambda pair: math.inf if pair[0].central is None else pair[0].central)
    low, central, high = (_soonest(end, [even for even, _ in found]) for end in ENDS)
    here = BreakEven(low, central, high, first.at_least)
    says: Any = each.value
    return (_point(each, ("open models are favoured from", "tokens/month"), float(says), here, against, line),)


def _soonest(end: str, found: Sequence[BreakEven]) -> float | None:
    return min((value for each in found if (value := getattr(each, end)) is not None), default=None)


def _from(line: Line, reference: Line) -> BreakEven:
    """Return from how many tokens a line costs at most what the reference does: by the token it is all, or none."""
    own, other = line.curve, reference.curve
    if own is None or other is None:
        return BreakEven(None, None, None, line.at_least)
    if line.self_run:
        even = break_even(own, other)
        return replace(even, at_least=even.at_least or line.at_least)
    mine, its = own.usd_per_million, other.usd_per_million
    pairs = ((mine.low, its.high), (mine.central, its.central), (mine.high, its.low))
    low, central, high = (0.0 if price <= most else None for price, most in pairs)
    return BreakEven(low, central, high, line.at_least)


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
            "self-hosting is paid back after",
            each.criterion or "",
            each.source,
            (low, high),
            "months",
            months,
            verdict,
            against,
            _line_name(found.own),
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
            "self-hosting takes machines of",
            each.criterion or "",
            each.source,
            (low, high),
            "USD/month",
            here,
            verdict,
            None,
            _line_name(own),
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
