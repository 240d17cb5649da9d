"""What a model costs a month on an option, with the parts and the figures behind them.

Options that are paid by the token cost tokens times price. Hardware costs its hourly price for a month of 730.5 hours,
whatever it is used: as claimed, else by the model's own figure, else by the devices that its memory needs; and as many
boxes as the volume takes at the peak of their arithmetic, which is a floor: at least so much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.entries import HOURS_PER_MONTH, SECONDS_PER_MONTH, Entry, HostingCost, Model, Price
from policy_engine.catalog.figures import in_force, preferred
from policy_engine.catalog.sizing import (
    QUANTIZATIONS,
    card_bytes,
    devices_needed,
    fits,
    operations_per_token,
    peak_tflops,
    weight_bytes,
)

SELF_RUN = ("self_hosted", "edge")
CONSUMER = "consumer"


class CostPart(Struct, frozen=True):
    """One part of a monthly cost, and the figure that it rests on, where it rests on one."""

    what: str
    usd_per_month: float
    figure: Entry | None = None
    stale: bool = False


class Cost(Struct, frozen=True):
    """A monthly cost: the middle, and the range that the sources leave; `at_least` where it is a floor."""

    usd_per_month: float
    usd_low: float
    usd_high: float
    at_least: bool
    parts: tuple[CostPart, ...]

    @property
    def disputes(self) -> tuple[str, ...]:
        found = (name for part in self.parts if part.figure for name in part.figure.disputes)
        return tuple(dict.fromkeys(found))


class Plan(Struct, frozen=True):
    """A way to run a model on hardware: what one box costs a month, and the most tokens that it can compute.

    `tokens_per_month` None is unknown, and then one box is counted. `engineers_usd` is counted once.
    """

    usd_low: float
    usd: float
    usd_high: float
    at_least: bool
    tokens_per_month: float | None
    engineers_usd: float
    what: str
    quantization: str | None
    figure: HostingCost | None

    def boxes(self, tokens: float) -> int:
        """Return how many boxes `tokens` a month take at least."""
        most = self.tokens_per_month
        return 1 if most is None or tokens <= most else math.ceil(tokens / most)

    def cost_usd(self, tokens: float) -> float:
        """Return dollars a month, in the middle of the range."""
        return self.usd * self.boxes(tokens) + self.engineers_usd


def plans_of(catalog: Catalog, model: Model, option: str, at: date) -> tuple[Plan, ...]:
    """Return the ways to run `model` on hardware that the catalog prices; none where its cost is not known."""
    if option == "edge":
        return tuple(_edge_plans(catalog, at))
    own = catalog.hosting(model.key, at)
    if own is not None:
        return (_own_plan(catalog, model, own),)
    return tuple(_sized_plans(catalog, model, at))


def claimed_plan(catalog: Catalog, option: str, claim: HardwareClaim, quantization: str | None) -> Plan | None:
    """Return the plan that the claimed hardware is, one box of it; None where its hourly cost is not known."""
    if claim.usd_per_hour is None:
        return None
    usd = claim.usd_per_hour * HOURS_PER_MONTH
    engineers = _engineers_usd(catalog) if option == "self_hosted" else 0.0
    what = f"claimed hardware at {claim.usd_per_hour:,.2f} USD/hour"
    return Plan(usd, usd, usd, False, None, engineers, what, quantization, None)


def _engineers_usd(catalog: Catalog) -> float:
    return catalog.rules.self_hosting_engineers * catalog.rules.engineer_usd_per_month


def _edge_plans(catalog: Catalog, at: date) -> Iterator[Plan]:
    figures = [each for each in catalog.hosting_costs.values() if each.device == CONSUMER and in_force(each, at)]
    figure = preferred(figures, catalog.sides)
    if figure is not None:
        usd = figure.usd * figure.hours
        what = f"a consumer device at {figure.usd:,.2f} USD/{figure.per}"
        yield Plan(
            figure.usd_low * figure.hours, usd, figure.usd_high * figure.hours, True, None, 0.0, what, None, figure
        )


def _own_plan(catalog: Catalog, model: Model, figure: HostingCost) -> Plan:
    gpu = catalog.gpu(figure.gpu)
    best = None
    if gpu is not None and model.parameters is not None:
        cards = ((card_bytes(catalog.rules, gpu.memory_gb), figure.count),)
        best = next((q for q in QUANTIZATIONS if fits(catalog.rules, weight_bytes(model, q) or 0.0, cards)), None)
    name = figure.gpu or figure.device
    device = f"{figure.count} x {name}" if name else "self-hosting at large"
    return Plan(
        figure.usd_low * figure.hours,
        figure.usd * figure.hours,
        figure.usd_high * figure.hours,
        True,
        _most_tokens(catalog, model, figure.gpu, figure.count),
        _engineers_usd(catalog),
        f"{device} at {figure.usd:,.2f} USD/{figure.per}",
        best,
        figure,
    )


def _sized_plans(catalog: Catalog, model: Model, at: date) -> Iterator[Plan]:
    """Yield a plan for each type of device whose hourly price is known, with 16-bit weights."""
    held = weight_bytes(model, QUANTIZATIONS[0])
    if held is None:
        return
    for figure in gpu_prices(catalog, at):
        gpu = catalog.gpu(figure.gpu)
        if gpu is None:
            continue
        devices = devices_needed(catalog.rules, held, card_bytes(catalog.rules, gpu.memory_gb))
        if devices is None:
            continue
        month = figure.hours * devices
        yield Plan(
            figure.usd_low * month,
            figure.usd * month,
            figure.usd_high * month,
            True,
            _most_tokens(catalog, model, gpu.key, devices),
            _engineers_usd(catalog),
            f"{devices} x {gpu.key} at {figure.usd:,.2f} USD/{figure.per} each",
            QUANTIZATIONS[0],
            figure,
        )


def gpu_prices(catalog: Catalog, at: date) -> tuple[HostingCost, ...]:
    """Return the price of one device of each type, where a source states it for one."""
    found: dict[str, list[HostingCost]] = {}
    for each in catalog.hosting_costs.values():
        if each.gpu is not None and each.count == 1 and in_force(each, at):
            found.setdefault(each.gpu, []).append(each)
    chosen = (preferred(found[name], catalog.sides) for name in sorted(found))
    return tuple(each for each in chosen if each is not None)


def _most_tokens(catalog: Catalog, model: Model, name: str | None, devices: int) -> float | None:
    gpu, operations = catalog.gpu(name), operations_per_token(model)
    peak = peak_tflops(gpu) if gpu else None
    return None if peak is None or operations is None else devices * peak * 1e12 / operations * SECONDS_PER_MONTH


def price_cost(catalog: Catalog, price: Price, input_tokens: float, output_tokens: float, at: date) -> Cost:
    """Return what that many tokens cost at `price`."""
    stale = catalog.is_stale(price, at)
    if price.blended:
        usd = price.usd(input_tokens, output_tokens)
        what = f"{input_tokens + output_tokens:,.0f} tokens at {price.input_usd_per_million:g} USD per million"
        return Cost(usd, usd, usd, False, (CostPart(what, usd, price, stale),))
    each = (
        ("prompt", input_tokens, price.input_usd_per_million),
        ("answer", output_tokens, price.output_usd_per_million),
    )
    parts = tuple(
        CostPart(f"{tokens:,.0f} {what} tokens at {usd:g} USD per million", tokens * usd / 1e6, price, stale)
        for what, tokens, usd in each
    )
    total = price.usd(input_tokens, output_tokens)
    return Cost(total, total, total, False, parts)


def plan_cost(catalog: Catalog, plan: Plan, tokens: float, at: date) -> Cost:
    """Return what `plan` costs for `tokens` a month, both directions."""
    boxes, figure = plan.boxes(tokens), plan.figure
    stale = figure is not None and catalog.is_stale(figure, at)
    what = plan.what if boxes == 1 else f"{boxes} boxes, each {plan.what}"
    parts = [CostPart(what, plan.usd * boxes, figure, stale)]
    if plan.engineers_usd:
        rules = catalog.rules
        said = f"{rules.self_hosting_engineers:g} engineers at {rules.engineer_usd_per_month:,.0f} USD/month"
        parts.append(CostPart(said, plan.engineers_usd))
    low, high = plan.usd_low * boxes + plan.engineers_usd, plan.usd_high * boxes + plan.engineers_usd
    return Cost(plan.cost_usd(tokens), low, high, plan.at_least, tuple(parts))


def api_price(catalog: Catalog, model: str, at: date, *, option: str | None = None) -> Price | None:
    """Return the price of `model` on an API on the day `at`; None where model or price is not known.

    Without `option` it is the vendor's API for closed weights, a hosted one for open weights.
    """
    found = catalog.model(model)
    if found is None:
        return None
    key = ("price", found.key, option, at)
    known: Price | bool | None = catalog.remembered.get(key, False)
    if not isinstance(known, bool):
        return known
    where = option or ("proprietary_api" if found.weights == "closed" else "open_api")
    price = catalog.price(found.key, where, at)
    catalog.remember(key, price)
    return price
