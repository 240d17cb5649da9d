"""What one model has, as a cell of a comparison: a known figure with its source, a sure none, or unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.browsing.comparison import UNKNOWN, Cell, Other, Stated, stated
from policy_engine.browsing.offers import Offered, cheapest_price, mixed_usd
from policy_engine.browsing.sheet import Sheet
from policy_engine.browsing.standings import Standing, is_old, standings
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry, Gpu, Price
from policy_engine.catalog.needed import Load, fit, held, rates

E = TypeVar("E", bound=Entry)
GB = 1e9


class Device(Struct, frozen=True):
    """The devices that the decode ceiling is worked out on; `count` None is as many as it takes."""

    gpu: Gpu
    count: int | None
    quantization: str
    load: Load


@dataclass(frozen=True)
class Cells:
    """Makes the cells of any model of the catalog on the day `day`."""

    catalog: Catalog
    day: date
    device: Device | None = None

    def _field_stated(self, sheet: Sheet, field: str) -> Stated:
        source, day = sheet.model.sources.get(field, (sheet.model.source, sheet.model.as_of))
        return Stated(source, day, is_old(self.catalog, day, self.day))

    def field(self, field: str, closed: bool = True) -> Callable[[Sheet], Cell]:
        """Return the cell of a field of the model; without `closed` models whose weights are closed give none out."""

        def cell(sheet: Sheet) -> Cell:
            if not closed and sheet.model.weights == "closed":
                return Cell("none", text="not given out")
            value = getattr(sheet.model, field)
            return UNKNOWN if value is None else Cell("known", value, stated=self._field_stated(sheet, field))

        return cell

    def active(self, sheet: Sheet) -> Cell:
        """Return the billions of parameters that one token reads."""
        found = sheet.model.active_b is not None
        return self.field("active_b" if found else "params_b", closed=False)(sheet)

    def licence(self, sheet: Sheet) -> Cell:
        """Return the licence of open weights."""
        model = sheet.model
        if model.weights == "closed":
            return Cell("none", text="vendor's contract")
        return (
            UNKNOWN
            if model.licence is None
            else Cell("known", text=model.licence, stated=self._field_stated(sheet, "licence"))
        )

    def commercial(self, sheet: Sheet) -> Cell:
        """Return what the licence says of commercial use."""
        verdict, licence = self.catalog.licence(sheet.model.key), sheet.licence
        if verdict is None:
            return UNKNOWN
        where = stated(self.catalog, self.day, licence) if licence else None
        return Cell("known", text=verdict, stated=where)

    def modalities(self, sheet: Sheet) -> Cell:
        """Return what it reads and does beside text."""
        found = sheet.model.modalities
        if found is None:
            return UNKNOWN
        return Cell("known", text=", ".join(sorted(found)), stated=self._field_stated(sheet, "modalities"))

    def retirement(self, sheet: Sheet) -> Cell:
        """Return the day on which it is taken out of service."""
        day = sheet.model.retires_on
        if day is None:
            return UNKNOWN
        said = f"{'retired' if sheet.retired else 'retires'} on {day}"
        return Cell("known", text=said, stated=self._field_stated(sheet, "retires_on"))

    def counting(self, found: Iterable[Standing[E]], value: Callable[[E], float]) -> Cell:
        """Return the figure that counts, with what others in force say otherwise."""
        ordered = [each.figure for each in found if each.state in ("counts", "superseded")]
        if not ordered:
            return UNKNOWN
        first = ordered[0]
        # what a source said before is history, and no other side
        newest: dict[str, E] = {first.side: first}
        for each in ordered[1:]:
            newest.setdefault(each.side, each)
        rivals: dict[float, E] = {}
        for each in newest.values():
            if value(each) != value(first):
                rivals.setdefault(value(each), each)
        others = tuple(Other(said, stated(self.catalog, self.day, each)) for said, each in rivals.items())
        return Cell("known", value(first), "", stated(self.catalog, self.day, first), others, _at_least(first))

    def on(self, sheet: Sheet, option: str) -> Offered | None:
        """Return what the model costs on `option`; None where that cannot run it."""
        return next((each for each in _offers(sheet) if each.option == option), None)

    def _price_cell(self, sheet: Sheet, price: Price, value: Callable[[Price], float], text: str = "") -> Cell:
        _, option, seller = self.catalog.seller_of(price)
        history = [each for each in sheet.prices[option, seller] if _is_side(each.figure, price)]
        compared = [*history]
        for (other, who), found in sheet.prices.items():
            if other == option and who != seller:
                compared += [each for each in found if each.counts]
                # a dispute is about a provider's own price, too: what is said of no provider stands against it
                history += [each for each in found if who is None and {*each.figure.disputes} & {*price.disputes}]
                # and a losing side that is cheaper than all would come first
                history += [each for each in found if each.state == "superseded" and _undercuts(each.figure, price)]
        cell = self.counting(history, value)
        where = cell.stated
        if where is not None:
            # any figure that was compared may be what the dispute turns
            disputes = {name for each in compared if each.counts for name in each.figure.disputes}
            where = replace(where, disputes=tuple(sorted(disputes)))
        return Cell("known", value(price), text, where, cell.others)

    def cheapest(self, sheet: Sheet) -> Cell:
        """Return the cheapest price by the token, three of a prompt to one of an answer."""
        price = cheapest_price(_offers(sheet))
        return UNKNOWN if price is None else self._price_cell(sheet, price, mixed_usd, price.option)

    def price(self, option: str, direction: str, sheet: Sheet) -> Cell:
        """Return the price of one direction on `option`."""
        found = self.on(sheet, option)
        if found is None:
            return Cell("none", text="not offered")
        if found.price is None:
            return UNKNOWN
        provider = f"at {found.price.provider}" if found.price.provider else ""
        blended = "both directions" if found.price.blended else ""
        text = ", ".join(each for each in (provider, blended) if each)
        return self._price_cell(
            sheet, found.price, lambda one: float(getattr(one, f"{direction}_usd_per_million")), text
        )

    def plan(self, option: str, sheet: Sheet) -> Cell:
        """Return what a month of hardware costs on `option`, at least."""
        found = self.on(sheet, option)
        if found is None:
            return Cell("none", text="not offered")
        plan = found.plan
        if plan is None or found.meant is None:
            return UNKNOWN
        where = stated(self.catalog, self.day, plan.figure) if plan.figure else None
        return Cell("known", plan.usd, plan.what, where, (), plan.at_least, plan.usd_low, plan.usd_high)

    def asked(self, sheet: Sheet) -> Cell:
        """Return the memory that a source asks for, in GB."""
        found = standings(sheet.of(self.catalog.memory_requirements), self.day, self.catalog.sides)
        return self.counting(found, lambda one: one.memory_gb)

    def reported(self, measure: str, device: str, sheet: Sheet) -> Cell:
        """Return what was reported of a measure on a device."""
        own = [each for each in sheet.of(self.catalog.speeds) if (each.measure, each.device) == (measure, device)]
        return self.counting(standings(own, self.day, self.catalog.sides), lambda one: one.value)

    def ceiling(self, sheet: Sheet) -> Cell:
        """Return the most tokens a second that one request is answered with on the device."""
        asked = self.device
        if asked is None or sheet.model.weights == "closed":
            return Cell("none", text="its weights are closed")
        found = fit(self.catalog.rules, asked.gpu, held(sheet.model, asked.quantization, asked.load), asked.count)
        if found.fits is False:
            return Cell("none", text="does not fit" if asked.count is None else f"does not fit {asked.count:,}")
        rate = rates(sheet.model, found, asked.load, (1.0, 1.0))
        if rate.decode_each is None or found.devices is None:
            return UNKNOWN
        # a ceiling without the cache that another one counts is another figure
        bare = ", cache not counted" if rate.without_cache and asked.load.context_tokens else ""
        return Cell("known", rate.decode_each, f"on {found.devices:,}{bare}")


def _is_side(figure: Price, price: Price) -> bool:
    """Tell whether `figure` speaks of what `price` is of: of the same provider, or in its dispute."""
    return figure.provider == price.provider or bool({*figure.disputes} & {*price.disputes})


def _undercuts(figure: Price, price: Price) -> bool:
    return bool(figure.disputes) and mixed_usd(figure) < mixed_usd(price)


def word(text: str) -> Cell:
    return Cell("known", text=text)


def weights(place: int, sheet: Sheet) -> Cell:
    if not sheet.memory:
        return Cell("none", text="not given out")
    found = sheet.memory[place].weights
    return UNKNOWN if found is None else Cell("known", found / GB)


def _offers(sheet: Sheet) -> tuple[Offered, ...]:
    return tuple(each.offered for each in sheet.offerings)


def _at_least(figure: Entry) -> bool:
    return bool(getattr(figure, "at_least", False))
