"""The models and providers of a refreshed file: only what its prices need, and what the source says of retirement.

INVARIANT: nothing is claimed that the source does not say. A provider's regions are first known where every model says
them that it serves, and then until others are stated; a new model's weights are closed because its vendor keeps them,
and all else is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import Any

from msgspec import Struct

from policy_engine.catalog import Catalog
from policy_engine.pricing.history import slot_of
from policy_engine.pricing.placing import Offer, Slot
from policy_engine.pricing.quotes import SourceData
from policy_engine.pricing.table import SELLERS

Entry = dict[str, Any]


class Retirement(Struct, frozen=True):
    """A day on which a model retires by the source, and the one that it said before."""

    model: str
    before: date | None
    after: date


def model_entries(
    old: Mapping[str, Entry], offers: Iterable[Offer], data: SourceData, base: Catalog, raw: Mapping[str, Any]
) -> tuple[dict[str, Entry], list[Retirement]]:
    """Return the models of the file, and which days of retirement are other ones than before.

    `raw` are the entries of other files, as they were read, None where they stand in the same layer, which no
    file of it may repeat: a model that a vendor retires is that entry, with the day.
    A day that was stated counts until another one is: of a model that is gone no source says when it went.
    """
    found: dict[str, Entry] = {}
    retirements = []
    own = {each.slot.model: each for each in offers if each.slot.provider in SELLERS and _is_vendor(each)}
    for name in sorted({*old, *own}):
        offer, before = own.get(name), old.get(name)
        if name in raw and raw[name] is None:
            continue
        entry = _entry(name, offer, before, data, raw)
        if entry is None:
            continue
        stated = _retirement(offer, before, data)
        if stated is not None and _differs(stated, raw.get(name)):
            entry["retires_on"] = stated
        if name in raw and "retires_on" not in entry:
            continue  # nothing to say of it that its own entry does not
        if name in raw and entry == raw[name]:
            continue
        found[name] = entry
        retirements += _moved(name, base, before, entry)
    return found, retirements


def _is_vendor(offer: Offer) -> bool:
    return SELLERS[offer.slot.provider].own is not None


def _entry(
    name: str, offer: Offer | None, before: Entry | None, data: SourceData, raw: Mapping[str, Any]
) -> Entry | None:
    if name in raw:
        return dict(raw[name])
    if offer is None:
        return dict(before) if before is not None else None
    entry: Entry = {"weights": "closed", "vendor": offer.slot.provider}
    if offer.context_tokens is not None:
        entry["context_tokens"] = offer.context_tokens
    return {**entry, "source": data.title, "as_of": data.day.isoformat()}


def _retirement(offer: Offer | None, before: Entry | None, data: SourceData) -> Any:
    if offer is not None and offer.retires_on is not None:
        return {"value": offer.retires_on.isoformat(), "source": data.title, "as_of": data.day.isoformat()}
    return before.get("retires_on") if before is not None else None


def _differs(stated: Any, raw: Any) -> bool:
    own = raw.get("retires_on") if isinstance(raw, Mapping) else None
    return own is None or _day(own) != _day(stated)


def _day(stated: Any) -> str:
    return str(stated["value"] if isinstance(stated, Mapping) else stated)


def _moved(name: str, base: Catalog, before: Entry | None, entry: Entry) -> list[Retirement]:
    known = base.models.get(name)
    earlier = before.get("retires_on") if before is not None else None
    was = date.fromisoformat(_day(earlier)) if earlier is not None else known.retires_on if known is not None else None
    now = entry.get("retires_on")
    if now is None or date.fromisoformat(_day(now)) == was:
        return []
    return [Retirement(name, was, date.fromisoformat(_day(now)))]


def provider_entries(
    old: Mapping[str, Entry],
    prices: Mapping[str, Entry],
    offers: Mapping[Slot, Offer],
    data: SourceData,
    elsewhere: Set[str],
) -> dict[str, Entry]:
    """Return the providers that prices name and no other file has, which are `elsewhere`; `old` are those before.

    A vendor serves its own models. Another serves those that it has a price for, each on the days of its prices.
    """
    found: dict[str, Entry] = {}
    for key in sorted({entry["provider"] for entry in prices.values()} - elsewhere):
        of_it = [entry for entry in prices.values() if entry["provider"] == key]
        vendor = SELLERS[key] if key in SELLERS else SELLERS["aws"]
        open_now = [slot_of(entry) for entry in of_it if "valid_to" not in entry]
        entry: Entry = {"title": vendor.title if key in SELLERS else f"{vendor.title} in {key.removeprefix('aws-')}"}
        entry["options"] = sorted({each["option"] for each in of_it})
        if vendor.own is None:
            entry["serves"] = sorted({each["model"] for each in of_it})
            entry["while_priced"] = True
        before = _stated_before(old.get(key), of_it)
        regions = _regions([offers[slot].regions for slot in open_now if slot in offers], before)
        if regions:
            entry["regions"] = regions
        found[key] = {**entry, "source": data.title, "as_of": data.day.isoformat()}
    return found


def _stated_before(old: Entry | None, prices: Iterable[Entry]) -> set[str]:
    """Return the regions that were known of a provider, or else those of all its prices, the ended ones included."""
    if old is not None and old.get("regions"):
        return set(old["regions"])
    found = {each.get("region") for each in prices}
    return set() if None in found else {str(each) for each in found}


def _regions(offered: list[tuple[str, ...] | None], before: set[str]) -> list[str]:
    """Return the regions of a provider, by those of the models that it offers now (None: not said), and those `before`.

    They are those in which all are offered. What denies a residency is lifted by a statement alone: where one does
    not say, or none is left, what was known before stays, with what the others say beside it.
    """
    stated = [set(each) for each in offered if each is not None]
    if any(not each for each in stated):
        return []  # anywhere
    said_by_all = bool(stated) and len(stated) == len(offered)
    shared = set.intersection(*stated) if said_by_all else set()
    if shared or not before:
        return sorted(shared)
    return sorted(set().union(*stated, *([] if said_by_all else [before])))
