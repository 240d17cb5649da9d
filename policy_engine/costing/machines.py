"""What a replica of a model is made of, what it does in a month, and what it costs: rented, or bought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from policy_engine.catalog.boxes import box_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.cost import CONSUMER
from policy_engine.catalog.entries import Entry, Gpu, Model
from policy_engine.catalog.figures import in_force, preferred
from policy_engine.catalog.needed import Load, fit, held, rent
from policy_engine.catalog.sizing import card_bytes, peak_tflops, room_bytes
from policy_engine.costing.speeds import Assumptions, Place, Speed, speed_of
from policy_engine.model.ranges import ONE, ZERO, Range, between, exactly, total
from policy_engine.wording import price_text

KILO = 1000.0


class Wanted(Struct, frozen=True):
    """A model on an option, and what is assumed; `quantization` None is 16 bits, `claim` the workload's hardware."""

    catalog: Catalog
    model: Model
    option: str
    quantization: str | None
    claim: HardwareClaim | None
    tokens_per_request: Range
    assumed: Assumptions
    at: date


class Machine(Struct, frozen=True, kw_only=True):
    """One replica of a model. Dollars a month; `speed` None is unknown. `at_least` where the price is a floor.

    `claimed` is the workload's own hardware at the hourly price that it states, else it is rented, or `owned`: bought.
    """

    what: str
    devices: int | None
    quantization: str | None = None
    owned: bool = False
    claimed: bool = False
    rent: Range = ZERO
    purchase: Range = ZERO
    power: Range = ZERO
    space: Range = ZERO
    maintenance: Range = ZERO
    speed: Speed | None = None
    at_least: bool = False
    figures: tuple[Entry, ...] = ()

    def monthly(self, life_months: Range) -> Range:
        """Return what a replica costs a month, with its part of the purchase."""
        return total((self.rent, self.purchase / life_months, self.power, self.space, self.maintenance))

    @property
    def running(self) -> Range:
        """Dollars a month without the purchase."""
        return total((self.rent, self.power, self.space, self.maintenance))

    def capacity(self, prompt_share: Range, assumed: Assumptions) -> Range | None:
        """Return tokens a month of a replica at its average load; None where its speed is not known."""
        if self.speed is None:
            return None
        reads, answers, share = self.speed.reads, self.speed.answers, prompt_share
        slowest = max(_mixed(each, reads.low, answers.low) for each in (share.low, share.high))
        fastest = min(_mixed(each, reads.high, answers.high) for each in (share.low, share.high))
        rate = Range(1 / slowest, 1 / _mixed(share.central, reads.central, answers.central), 1 / fastest)
        return rate * assumed["peak_share"].range * assumed["hours_per_month"].range.times(3600.0)


def _mixed(share: float, reads: float, answers: float) -> float:
    """Return the seconds of one token, of which `share` is read and the rest answered."""
    return share / reads + (1 - share) / answers


def machines_of(asked: Wanted) -> Iterator[Machine]:
    """Yield what could run the model: the claimed hardware alone where some is claimed, else each that has a price."""
    if asked.claim is not None:
        yield from _claimed(asked, asked.claim)
    elif asked.option == "edge":
        yield from _consumer(asked)
    else:
        for gpu in asked.catalog.gpus.values():
            yield from _on(asked, gpu)


def _claimed(asked: Wanted, claim: HardwareClaim) -> Iterator[Machine]:
    """Yield the claimed hardware at its hourly price; without one as bought, where a source states what that costs."""
    quantization = asked.quantization
    if quantization is None:
        return
    box = box_of(asked.catalog, claim)
    speed = None
    if box.bandwidth_bytes_per_s is not None and box.room_bytes is not None:
        place = Place(box.bandwidth_bytes_per_s, box.tflops, box.room_bytes)
        speed = speed_of(asked.model, quantization, asked.tokens_per_request, place, asked.assumed)
    if claim.usd_per_hour is None:
        yield from _claimed_own(asked, claim, speed, quantization)
        return
    yield Machine(
        what=f"the claimed hardware at {price_text(claim.usd_per_hour)} USD/hour",
        devices=box.devices or None,
        quantization=quantization,
        claimed=True,
        rent=exactly(claim.usd_per_hour) * asked.assumed["hours_per_month"].range,
        speed=speed,
    )


def _claimed_own(asked: Wanted, claim: HardwareClaim, speed: Speed | None, quantization: str) -> Iterator[Machine]:
    if claim.gpus is None or len(claim.gpus) != 1:
        return
    (row,) = claim.gpus
    gpu = asked.catalog.gpu(row.name)
    card = _card_usd(asked.catalog, gpu, asked.at) if gpu is not None else None
    if gpu is not None and gpu.watts is not None and card is not None and row.count is not None:
        name = f"the claimed {row.count} x {gpu.key}"
        yield _owned(asked, name, row.count, gpu.watts, card, speed, quantization)


def _consumer(asked: Wanted) -> Iterator[Machine]:
    costs = asked.catalog.hosting_costs.values()
    figure = preferred([each for each in costs if each.device == CONSUMER and in_force(each, asked.at)], {})
    if figure is not None:
        by_the_hour = figure.per == "hour"
        hours = asked.assumed["hours_per_month"].range if by_the_hour else ONE
        rented = between(figure.usd_low, figure.usd_high) * hours
        what = f"a consumer device at {price_text(figure.usd)} USD/{figure.per}"
        yield Machine(what=what, devices=1, rent=rented, at_least=figure.at_least, figures=(figure,))


def _on(asked: Wanted, gpu: Gpu) -> Iterator[Machine]:
    """Yield the model on devices of one type: rented and bought, each where a source states what that costs."""
    catalog, quantization = asked.catalog, asked.quantization or "bf16"
    longest = int(asked.tokens_per_request.high)
    found = fit(catalog.rules, gpu, held(asked.model, quantization, Load(longest, 1)))
    if found.devices is None or found.fits is False:
        return
    devices = found.devices
    paid = rent(catalog, asked.model, gpu, devices, asked.at)
    card = _card_usd(catalog, gpu, asked.at)
    if paid is None and (card is None or gpu.watts is None):
        return
    peak = peak_tflops(gpu)
    place = Place(
        devices * gpu.bandwidth_gb_s * 1e9,
        None if peak is None else devices * peak,
        room_bytes(catalog.rules, ((card_bytes(catalog.rules, gpu.memory_gb), devices),)),
    )
    speed = speed_of(asked.model, quantization, asked.tokens_per_request, place, asked.assumed)
    name = f"{devices} x {gpu.key}"
    if paid is not None:
        hourly = between(paid.usd_per_hour_low, paid.usd_per_hour_high)
        yield Machine(
            what=f"{name}, rented at {_span(hourly)} USD/hour",
            devices=devices,
            quantization=quantization,
            rent=hourly * asked.assumed["hours_per_month"].range,
            speed=speed,
            at_least=paid.figure.at_least,
            figures=(paid.figure,),
        )
    if card is not None and gpu.watts is not None:
        yield _owned(asked, name, devices, gpu.watts, card, speed, quantization)


def _owned(
    asked: Wanted,
    name: str,
    devices: int,
    watts: float,
    card: tuple[Range, tuple[Entry, ...]],
    speed: Speed | None,
    quantization: str,
) -> Machine:
    def assumed(key: str) -> Range:
        return asked.assumed[key].range

    price, figures = card
    purchase = price.times(devices)
    rated_kw = (ONE + assumed("host_power_share")).times(devices * watts / KILO)
    drawn_kwh = (
        rated_kw * assumed("power_draw_share") * assumed("power_usage_effectiveness") * assumed("hours_per_month")
    )
    return Machine(
        what=f"{name}, bought at {_span(purchase)} USD",
        devices=devices,
        quantization=quantization,
        owned=True,
        purchase=purchase,
        power=drawn_kwh * assumed("power_usd_per_kwh"),
        space=rated_kw * assumed("space_usd_per_kw_month"),
        maintenance=purchase * assumed("maintenance_share_per_year").times(1 / 12),
        speed=speed,
        at_least=True,
        figures=figures,
    )


def _card_usd(catalog: Catalog, gpu: Gpu, at: date) -> tuple[Range, tuple[Entry, ...]] | None:
    """Return what one device costs to buy, by what sources say of several of them; None where none does."""
    figures = [each for each in catalog.ownership_costs.values() if each.gpu == gpu.key and in_force(each, at)]
    last = max((each.rank for each in figures), default=0)
    figures = [each for each in figures if each.rank == last]
    prices = [each.usd / each.count for each in figures]
    return (between(min(prices), max(prices)), tuple(figures)) if prices else None


def _span(found: Range) -> str:
    low, high = (price_text(each).removesuffix(".00") for each in (found.low, found.high))
    return low if low == high else f"{low} to {high}"
