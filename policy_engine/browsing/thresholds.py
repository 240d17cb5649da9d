"""Disputed thresholds in one unit, by the parameters' own values and the prices of the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.offers import mixed_usd
from policy_engine.browsing.reckoned import Reckoning, money, reference_prices, times
from policy_engine.catalog.cost import api_price
from policy_engine.catalog.entries import HOURS_PER_MONTH, TOKENS_PER_PRICE_UNIT, Price
from policy_engine.model.rule import SHIPPED, Alternative, Parameter
from policy_engine.wording import listed, number

DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_TOKENS_MONTH, _TOKENS_DAY, _USD_MONTH = "tokens/month", "tokens/day", "USD/month"
#: What rounds a value to whole tokens, or to two digits of a dollar, and no more.
_ROUNDED = 1e-5
_NUMBERS = ("int", "double")
_ENGINEER = "engineer_usd_per_month"


class _Side(Struct, frozen=True):
    """What a source says, in tokens a month."""

    source: str
    tokens: float


def thresholds(contest: Contest) -> Iterator[Reckoning]:
    """Yield what each source says in tokens a month, where one of them says tokens; else each value in its own unit."""
    parameters = [each for each in contest.parameters if each.type in _NUMBERS]
    units = {each.unit for each in parameters}
    if units & {_TOKENS_MONTH, _TOKENS_DAY} and units <= {_TOKENS_MONTH, _TOKENS_DAY, _USD_MONTH}:
        yield from _in_tokens(contest, parameters)
        return
    for parameter in parameters:
        yield from _in_own_unit(contest, parameter)


def _in_tokens(contest: Contest, parameters: Sequence[Parameter]) -> Iterator[Reckoning]:
    sides: list[_Side] = []
    for parameter in parameters:
        for tokens, said, price in _tokens(contest, parameter):
            rests_on = (f"param.{parameter.name}", *([price.key] if price else []))
            own = price is None or mixed_usd(price) in _own_mixes(contest, parameter)
            sides += [_Side(parameter.source, tokens)] if own else []
            yield Reckoning(f"{_who(parameter)}: {said}", tokens, _TOKENS_MONTH, rests_on)
    if sides and all(each.tokens for each in sides):
        low, high = min(each.tokens for each in sides), max(each.tokens for each in sides)
        names = tuple(f"param.{each.name}" for each in parameters)
        said = f"the highest by the lowest: {high:,.0f} / {low:,.0f} tokens/month = {times(high / low)} times"
        yield Reckoning(said, high / low, "times", names, True)
    yield from _contradictions(contest, parameters, sides)


def _tokens(contest: Contest, parameter: Parameter) -> Iterator[tuple[float, str, Price | None]]:
    """Yield a parameter in tokens a month: of spend once for each price that a side states of the reference model."""
    value = float(parameter.value)
    if parameter.unit == _TOKENS_MONTH:
        yield value, f"{value:,.0f} tokens/month", None
    elif parameter.unit == _TOKENS_DAY:
        tokens = value * DAYS_PER_MONTH
        yield tokens, f"{value:,.0f} tokens/day x {DAYS_PER_MONTH:g} days = {tokens:,.0f} tokens/month", None
    else:
        for price in _of_each_mix(contest, parameter):
            tokens = value / mixed_usd(price) * TOKENS_PER_PRICE_UNIT
            said = (
                f"{money(value)} USD/month / {money(mixed_usd(price))} USD per million = {tokens:,.0f} tokens/month, at"
                f" the price of {price.model} by {price.source}, three tokens in to one out"
            )
            yield tokens, said, price


def _who(parameter: Parameter) -> str:
    return parameter.source if parameter.layer == SHIPPED else f"{parameter.source}, layer {parameter.layer}"


def _own_mixes(contest: Contest, parameter: Parameter) -> set[float]:
    """Return the prices at which the source of a spend speaks: its own, else the one that counts."""
    own = {mixed_usd(each) for each in reference_prices(contest) if each.source == parameter.source}
    counting = api_price(contest.catalog, contest.reference or "", contest.day)
    return own or ({mixed_usd(counting)} if counting is not None else set())


def _of_each_mix(contest: Contest, parameter: Parameter) -> list[Price]:
    """Return the prices of the reference model, one of each amount: by the parameter's source, else the newest."""
    found: dict[float, Price] = {}
    for price in sorted(reference_prices(contest), key=lambda each: each.source == parameter.source):
        if mixed_usd(price):
            found[mixed_usd(price)] = price
    return sorted(found.values(), key=lambda each: (each.starts, each.key))


def _contradictions(contest: Contest, parameters: Sequence[Parameter], sides: list[_Side]) -> Iterator[Reckoning]:
    """Yield where a parameter gives another value for a side than that side's own parameter comes to."""
    by_source: dict[str, list[float]] = {}
    for each in sides:
        by_source.setdefault(each.source, []).append(each.tokens)
    for parameter in parameters:
        for other in _alternatives(contest, parameter):
            for said in _in_month(contest, parameter, float(other.value)):
                known = by_source.get(other.source, [])
                if known and not any(abs(said - each) <= _ROUNDED * each for each in known):
                    has = f"{number(float(other.value))} {parameter.unit} for {other.source}"
                    text = (
                        f"param.{parameter.name} has {has}, that is {said:,.0f} tokens/month, where its own parameter"
                        f" comes to {_volumes(known)}"
                    )
                    yield Reckoning(text, said, _TOKENS_MONTH, (f"param.{parameter.name}",))


def _volumes(found: list[float]) -> str:
    return listed([f"{each:,.0f}" for each in found], "or")


def _in_month(contest: Contest, parameter: Parameter, value: float) -> Iterator[float]:
    if parameter.unit == _USD_MONTH:
        yield from (value / usd * TOKENS_PER_PRICE_UNIT for usd in _own_mixes(contest, parameter) if usd)
    else:
        yield value * (DAYS_PER_MONTH if parameter.unit == _TOKENS_DAY else 1)


def _alternatives(contest: Contest, parameter: Parameter) -> list[Alternative]:
    return [each for each in parameter.alternatives if each.dispute == contest.dispute.id]


def _in_own_unit(contest: Contest, parameter: Parameter) -> Iterator[Reckoning]:
    value, unit, name = float(parameter.value), parameter.unit or "", f"param.{parameter.name}"
    for other in _alternatives(contest, parameter):
        said = float(other.value)
        low, high = min(value, said), max(value, said)
        if low:
            text = f"{name}: {number(said)} {unit} by {other.source}, {number(value)} by {parameter.source}"
            yield Reckoning(f"{text}: {times(high / low)} times", high / low, "times", (name,), True)
        if unit == "FTE":
            yield _engineers(contest, name, abs(said - value))


def _engineers(contest: Contest, name: str, more: float) -> Reckoning:
    """Return what the engineers cost by whom the sides differ."""
    found = contest.rules.parameters.get(_ENGINEER)
    each = float(found.value) if found else 0.0
    rests_on = (name, f"param.{_ENGINEER}")
    if not each:
        said = f"what {number(more)} FTE more costs is not known: param.{_ENGINEER} is not set"
        return Reckoning(said, None, _USD_MONTH, rests_on)
    said = f"{number(more)} FTE x {money(each)} USD/month = {money(more * each)} USD/month"
    return Reckoning(said, more * each, _USD_MONTH, rests_on)
