"""What arithmetic says to a dispute, worked out from the entries that it is about: the cost of hardware and of tokens.

A reckoning reads entries by their kind and never by their name, so that a layer's figures, and a layer's dispute, are
reckoned with in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from msgspec import Struct

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.offers import mixed_usd
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import HOURS_PER_MONTH, TOKENS_PER_PRICE_UNIT, HostingCost, Price
from policy_engine.catalog.sizing import tokens_per_s

SECONDS_PER_HOUR = 3600
#: What arithmetic may add to a number of cents.
_NOISE = 1e-9


class Reckoning(Struct, frozen=True):
    """One step of arithmetic in words, its result with the unit, and the entries or parameters that it rests on.

    `result` marks what the steps come to.
    """

    says: str
    value: float | None
    unit: str
    rests_on: tuple[str, ...]
    result: bool = False


def money(value: float) -> str:
    """Write dollars: with cents below a thousand, a price with the digits that it has."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value >= 10 or abs(round(value, 2) - value) <= _NOISE * abs(value):
        return f"{value:,.2f}"
    return f"{Decimal(f'{value:.6g}'):f}"


def times(value: float) -> str:
    """Write how many times as much something is: three digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _range(values: Sequence[float]) -> str:
    low, high = map(money, values)
    return low if low == high else f"{low} to {high}"


def usd_per_token(contest: Contest) -> Iterator[Reckoning]:
    """Yield what a million tokens cost on a device with an hourly price and a reported speed."""
    for cost in contest.in_force(contest.catalog.hosting_costs):
        for speed in contest.of(contest.catalog.speeds):
            device = contest.catalog.gpu(speed.device)
            if device is None or cost.gpu != device.key or not speed.measure.startswith("tokens_per"):
                continue
            hourly = speed.value * (SECONDS_PER_HOUR if speed.measure == "tokens_per_second" else 1)
            rests_on = (cost.key, speed.key)
            rate = hourly / SECONDS_PER_HOUR
            yield Reckoning(
                f"{hourly:,.0f} tokens/hour / 3,600 s = {rate:,.1f} tokens/s", rate, "tokens/s", (speed.key,)
            )
            each = [usd * cost.hours / HOURS_PER_MONTH / cost.count for usd in (cost.usd_low, cost.usd_high)]
            dollars = [hour / hourly * TOKENS_PER_PRICE_UNIT for hour in each]
            million = sum(dollars) / 2
            more = " or more" if cost.at_least else ""
            said = (
                f"{_range(each)} USD/hour{' for each' if cost.count > 1 else ''} / {hourly:,.0f} tokens/hour ="
                f" {_range(dollars)} USD per million tokens{more}"
            )
            yield Reckoning(said, million, "USD per million tokens", rests_on, True)
            yield from _against(contest, dollars, rests_on)


def _against(contest: Contest, dollars: Sequence[float], rests_on: tuple[str, ...]) -> Iterator[Reckoning]:
    """Compare a price, or the middle of a range, with those of the dispute and those of the reference model."""
    million = sum(dollars) / 2
    middle = "" if dollars[0] == dollars[1] else "the middle, "
    prices: list[Price] = [each for each in contest.of(contest.catalog.prices) if each.option not in SELF_RUN]
    for price in _of_each_amount([*contest.newest(prices), *reference_prices(contest)]):
        usd = price.output_usd_per_million
        if usd:
            what = "tokens" if price.blended else "answers"
            part = million / usd
            said = (
                f"{middle}{money(million)} / {money(usd)} = {times(part)} times what {what} of {price.model} cost by"
                f" {price.source}, {price.as_of}"
            )
            yield Reckoning(said, part, "times", (*rests_on, price.key))


def reference_prices(contest: Contest) -> list[Price]:
    """Return the prices of each side that turn spend into volume: its vendor's, or the general one, of the model."""
    model = contest.catalog.model(contest.reference)
    if model is None:
        return []
    option = "proprietary_api" if model.weights == "closed" else "open_api"
    history = contest.catalog.price_history(model.key, option)
    return contest.newest(each for each in history if contest.catalog.seller_of(each)[2] is None)


def _of_each_amount(prices: Iterable[Price]) -> list[Price]:
    """Return one price for each model and amount: the newest that states it."""
    found: dict[tuple[str, float], Price] = {}
    for each in sorted(prices, key=lambda one: (one.starts, one.key)):
        found[each.model, each.output_usd_per_million] = each
    return sorted(found.values(), key=lambda one: (one.output_usd_per_million, one.key))


def volume(contest: Contest) -> Iterator[Reckoning]:
    """Yield how many tokens a month a price by the token takes, where the hardware has its own cost."""
    prices = contest.newest(each for each in contest.of(contest.catalog.prices) if each.option in SELF_RUN)
    for price in prices:
        usd = mixed_usd(price)
        for cost in contest.in_force(contest.catalog.hosting_costs):
            if not usd:
                continue
            month = cost.usd_low * cost.hours
            tokens = month / usd * TOKENS_PER_PRICE_UNIT
            rests_on = (cost.key, price.key)
            least = "at least " if cost.at_least else ""
            said = (
                f"{money(month)} USD/month / {money(usd)} USD per million tokens = {least}{tokens / 1e9:,.1f} billion"
                " tokens/month"
            )
            yield Reckoning(said, tokens, "tokens/month", rests_on, True)
            rate = tokens_per_s(tokens)
            yield Reckoning(
                f"{tokens / 1e9:,.1f} billion tokens/month / {HOURS_PER_MONTH:g} hours / 3,600 s = {rate:,.0f}"
                " tokens/s without a pause",
                rate,
                "tokens/s",
                rests_on,
                True,
            )


def months(contest: Contest) -> Iterator[Reckoning]:
    """Yield what hosting costs a month by each figure, in one unit, where there are several."""
    figures = contest.in_force(contest.catalog.hosting_costs)
    if len(figures) < 2:
        return
    for each in figures:
        yield _month(each)
    low = min(each.usd_low * each.hours for each in figures)
    high = max(each.usd_high * each.hours for each in figures)
    if low:
        said = f"the most by the least: {money(high)} / {money(low)} USD/month = {times(high / low)} times"
        yield Reckoning(said, high / low, "times", tuple(each.key for each in figures), True)


def _month(figure: HostingCost) -> Reckoning:
    low, high = figure.usd_low * figure.hours, figure.usd_high * figure.hours
    month = _range((low, high))
    more = " or more" if figure.at_least else ""
    what = figure.model or "self-hosting at large"
    if figure.per == "hour":
        hour = _range((figure.usd_low, figure.usd_high))
        said = f"{hour} USD/hour x {HOURS_PER_MONTH:g} hours = {month} USD/month{more}"
    else:
        said = f"{month} USD/month{more}"
    return Reckoning(f"{figure.source}, {what}: {said}", low, "USD/month", (figure.key,))
