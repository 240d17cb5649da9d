"""A refresh, from what a source says to the file that is to be: all of it worked out, nothing written.

1. read the file of the last refresh             (layered, generated)
2. place the source's quotes in the catalog      (placing)
3. go on with the history of prices              (history)
4. the models and providers that these need      (entries)
5. build the catalog as it would be              (catalog)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct

from policy_engine.catalog import Catalog
from policy_engine.errors import InputError, Problem
from policy_engine.pricing.entries import Retirement, model_entries, provider_entries
from policy_engine.pricing.entry_changes import EntryChange, entry_changes
from policy_engine.pricing.generated import FILE, Head, parsed, written
from policy_engine.pricing.history import Change, Today, merge
from policy_engine.pricing.layered import Scene, elsewhere, raw_models
from policy_engine.pricing.placing import Placed, Slot, place
from policy_engine.pricing.quotes import SourceData


class Refresh(Struct, frozen=True):
    """What a refresh comes to. `content` is the file that is to be; it is the one that is there where nothing changes.

    `before` and `after` are the catalogs, of all layers.
    """

    scene: Scene
    data: SourceData
    at: datetime
    named: tuple[str, ...]
    placed: Placed
    changes: tuple[Change, ...]
    entry_changes: tuple[EntryChange, ...]
    retirements: tuple[Retirement, ...]
    new_models: tuple[str, ...]
    new_providers: tuple[str, ...]
    content: bytes
    before: Catalog
    after: Catalog

    @property
    def is_same(self) -> bool:
        """Whether the file stays as it is, byte for byte."""
        return self.scene.old is not None and self.content == self.scene.old.content

    @property
    def is_confirmed(self) -> bool:
        """Whether what is unchanged is stated by newer data than before."""
        old = self.scene.old
        return old is not None and (old.head.data_day, old.head.version) != (self.data.day, self.data.version)

    @property
    def sha256_before(self) -> str | None:
        return None if self.scene.old is None else sha256(self.scene.old.content).hexdigest()

    @property
    def sha256_after(self) -> str:
        return sha256(self.content).hexdigest()

    def counts(self) -> dict[str, int]:
        """Return how many prices became what."""
        found = dict.fromkeys(("added", "back", "changed", "gone", "same"), 0)
        for each in self.changes:
            found[each.what] += 1
        return found

    def entry_counts(self) -> dict[str, dict[str, int]]:
        """Return how many models, and how many providers, became what."""
        found = {section: dict.fromkeys(("added", "changed", "gone"), 0) for section in ("models", "providers")}
        for each in self.entry_changes:
            found[each.section][each.what] += 1
        return found


def refresh(scene: Scene, data: SourceData, at: datetime, wanted: Collection[str]) -> Refresh:
    """Work out what the file of `scene` becomes at the time `at`; `wanted` are providers named now.

    Raises:
        InputError: the clock, or the data, is older than what the file has.
        CatalogError: the catalog would not be valid.
    """
    _check_order(scene, data, at)
    base = scene.base()
    earlier = () if scene.old is None else scene.old.head.providers
    named = tuple(sorted({*earlier, *wanted}))
    placed = place(data, base, frozenset(named))
    day = at.date()
    prices, changes = merge(
        {} if scene.old is None else scene.old.prices,
        placed.offers,
        Today(day, data.name, data.title, data.day, lambda slot: disputes_of(base, slot, day)),
    )
    _check_some(scene, placed, data)
    old_models = {} if scene.old is None else scene.old.models
    old_providers = {} if scene.old is None else scene.old.providers
    raw = raw_models(scene)
    models, retirements = model_entries(old_models, placed.offers.values(), data, base, raw)
    providers = provider_entries(old_providers, prices, placed.offers, data, elsewhere(scene))
    sections = {"models": models, "providers": providers, "prices": prices}
    content = _content(scene, data, at, named, sections)
    return Refresh(
        scene,
        data,
        at,
        named,
        placed,
        tuple(changes),
        (
            *entry_changes("models", old_models, models, raw),
            *entry_changes("providers", old_providers, providers, {}),
        ),
        tuple(retirements),
        tuple(name for name in models if name not in old_models and name not in base.models),
        tuple(name for name in providers if name not in old_providers),
        content,
        scene.policy.catalog,
        scene.after(parsed(content)),
    )


def disputes_of(catalog: Catalog, slot: Slot, day: date) -> tuple[str, ...]:
    """Return the disputes that the price is party to which counts without a refresh: the new one takes part in them."""
    counts = catalog.price(slot.model, slot.option, day, slot.provider)
    return () if counts is None or not catalog.sells_own(slot.model, slot.provider) else counts.disputes


def _check_order(scene: Scene, data: SourceData, at: datetime) -> None:
    if data.day > at.date():
        message = f"the data is of {data.day.isoformat()}, and the refresh of {at.date().isoformat()}"
        raise InputError(Problem("data-to-come", message, help="name the day on which it stood so, or a later --at"))
    if scene.old is None:
        return
    head = scene.old.head
    if at < head.at:
        message = f"the last refresh was at {head.at.isoformat()}, after {at.isoformat()}"
        hint = (
            "set the clock, or --at; history is never written backwards. Where the last refresh was dated ahead: put"
            f" back the `{FILE}` of the one before (`policy audit show INDEX --blob refreshed`), or take"
            " it out of the layer"
        )
        raise InputError(Problem("clock-went-back", message, help=hint))
    if data.day < head.data_day:
        message = (
            f"the data is of {data.day.isoformat()}, older than that of {head.data_day.isoformat()} which is there"
        )
        hint = f"install a newer {data.name}, or take a newer file; --data-day says when it stood so"
        raise InputError(Problem("data-older", message, help=hint))


def _check_some(scene: Scene, placed: Placed, data: SourceData) -> None:
    """Refuse a source that has nothing left of what it had: it is another file, and no change of the market."""
    had = 0 if scene.old is None else sum("valid_to" not in each for each in scene.old.prices.values())
    if had and not placed.offers:
        message = f"{data.title} states none of the {had:,} prices that count now"
        hint = "look whether it is the right file; to end them all, take the generated file out of the layer"
        raise InputError(Problem("nothing-stated", message, help=hint))


def _content(
    scene: Scene, data: SourceData, at: datetime, named: tuple[str, ...], sections: Mapping[str, Any]
) -> bytes:
    """Return the file; the time in its head moves only where something else does."""
    if scene.old is not None:
        head = Head(scene.old.head.at, data.name, data.version, data.day, named)
        same = written(head, sections)
        if same == scene.old.content:
            return same
    return written(Head(at, data.name, data.version, data.day, named), sections)
