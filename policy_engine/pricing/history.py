"""The history of prices: what a refresh makes of the entries that are there and the offers of today.

A price counts from the day of the refresh that found it, and through the day before the one that found another. So a
decision of an earlier day finds what it found before. One that was found and changed on one day never counted for
another day: it is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Literal

from msgspec import Struct

from policy_engine.catalog.sections import PRICE_UNIT
from policy_engine.pricing.placing import Offer, Slot

Entry = dict[str, Any]
What = Literal["added", "back", "changed", "gone", "same"]
_DAY = timedelta(days=1)
_OPENING = "no longer stated by"


class Change(Struct, frozen=True):
    """What became of the price of one slot; amounts are dollars per million tokens, in and out, None where none is."""

    slot: Slot
    what: What
    before: tuple[float, float] | None
    after: tuple[float, float] | None


class Today(Struct, frozen=True):
    """The day of a refresh, and what it rests on: the source's name and title, and the day of its data.

    `disputes` names those that the price is party to which counted before on a slot.
    """

    day: date
    name: str
    source: str
    data_day: date
    disputes: Callable[[Slot], tuple[str, ...]]


def slot_of(entry: Mapping[str, Any]) -> Slot:
    """Return what a price entry of a generated file is of."""
    return Slot(entry["model"], entry["option"], entry["provider"], entry.get("region", ""))


def merge(
    old: Mapping[str, Entry], offers: Mapping[Slot, Offer], today: Today
) -> tuple[dict[str, Entry], list[Change]]:
    """Return the prices by key, history and all, and what became of each slot that has an open one before or after."""
    found = {key: dict(entry) for key, entry in old.items()}
    opened = {slot_of(entry): key for key, entry in found.items() if "valid_to" not in entry}
    known = {slot_of(entry) for entry in found.values()}
    changes = []
    for slot in sorted({*opened, *offers}):
        key, offer = opened.get(slot), offers.get(slot)
        before = _amounts(found[key]) if key is not None else None
        if offer is None and key is not None:
            _close(found[key], today)
            changes.append(Change(slot, "gone", before, None))
        elif offer is not None:
            after = (offer.input, offer.output)
            changes.append(Change(slot, _what(before, after, slot in known), before, after))
            _open(found, key, offer, today)
    return dict(sorted(found.items())), changes


def _what(before: tuple[float, float] | None, after: tuple[float, float], known: bool) -> What:
    if before is None:
        return "back" if known else "added"
    return "same" if before == after else "changed"


def _open(found: dict[str, Entry], key: str | None, offer: Offer, today: Today) -> None:
    """Make the offer of a slot its open price: the same entry where it says the same, else one from today on."""
    disputes: tuple[str, ...] = ()
    starts = today.day
    if key is not None:
        before = found[key]
        disputes = tuple(before.get("disputes", ()))
        if _amounts(before) == (offer.input, offer.output):
            starts = before["valid_from"]
        elif before["valid_from"] < today.day:
            before["valid_to"] = today.day - _DAY
    else:
        disputes = today.disputes(offer.slot)
    found[key_of(today.name, offer.slot, starts)] = _entry(offer, today, starts, disputes)


def _entry(offer: Offer, today: Today, starts: date, disputes: tuple[str, ...]) -> Entry:
    slot = offer.slot
    return {
        "model": slot.model,
        "option": slot.option,
        "provider": slot.provider,
        **({"region": slot.region} if slot.region else {}),
        "unit": PRICE_UNIT,
        "input": offer.input,
        "output": offer.output,
        "source": today.source,
        "as_of": today.data_day,
        "valid_from": starts,
        **({"disputes": list(disputes)} if disputes else {}),
        **({"note": offer.note} if offer.note else {}),
    }


def _close(entry: Entry, today: Today) -> None:
    """End a price that is stated no more; one of this very day counted today, and no longer."""
    entry["valid_to"] = max(today.day - _DAY, entry["valid_from"])
    said = f"{_OPENING} {today.source}, as read on {today.day.isoformat()}"
    entry["note"] = "; ".join([*([entry["note"]] if entry.get("note") else []), said])


def key_of(name: str, slot: Slot, starts: date) -> str:
    """Return the key of a price of the source `name` that counts from the day `starts` on."""
    return ".".join((name, slot.provider, slot.model, starts.isoformat()))


def _amounts(entry: Mapping[str, Any]) -> tuple[float, float]:
    return float(entry["input"]), float(entry["output"])
