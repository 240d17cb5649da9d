"""A refresh, from what a source says to the file that is to be: all of it worked out, nothing written.

1. read the file of the last refresh             (generated)
2. place the source's quotes in the catalog      (placing)
3. go on with the history of prices              (history)
4. the models and providers that these need      (entries)
5. build the catalog as it would be              (catalog)
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.catalog import Catalog, build_catalog
from policy_engine.errors import CatalogError, InputError, Problem, UsageError
from policy_engine.loading.layers import CATALOG, shipped_rules
from policy_engine.loading.locked_catalog import locked_catalog_problems
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.pricing.entries import Retirement, model_entries, provider_entries
from policy_engine.pricing.generated import FILE, Generated, Head, read_generated, written
from policy_engine.pricing.history import Change, Today, merge
from policy_engine.pricing.placing import Placed, Slot, place
from policy_engine.pricing.quotes import SourceData

Documents = tuple[tuple[str, Mapping[str, Any]], ...]


class Scene(Struct, frozen=True):
    """Where a refresh goes: the policy with its layers, which of them it is, and what its file holds now.

    `documents` are the catalog's files by layer, `place` the number of the refreshed layer among them.
    """

    folder: Path
    name: str
    policy: Policy
    documents: Documents
    place: int
    old: Generated | None

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def base(self) -> Catalog:
        """Return the catalog that prices lie over: the layers up to the refreshed one, without refreshed prices.

        Its models and providers stay, for other files of the layer may speak of them; later layers may speak of prices.
        """
        kept = {} if self.old is None else {"models": self.old.models, "providers": self.old.providers}
        layer, files = self.documents[self.place]
        return self._built((*self.documents[: self.place], (layer, {**files, FILE: kept})))

    def after(self, own: Mapping[str, Any]) -> Catalog:
        """Return the catalog of all layers with `own` as the refreshed file.

        Raises:
            CatalogError: it would not be valid, or not without the later layers.
        """
        layer, files = self.documents[self.place]
        upto = (*self.documents[: self.place], (layer, {**files, FILE: own}))
        found = self._built(upto)
        later = self.documents[self.place + 1 :]
        return self._built((*upto, *later)) if later else found

    def _built(self, documents: Documents) -> Catalog:
        rules = self.policy.rules
        catalog = build_catalog(documents, rules.values)
        if locked := list(locked_catalog_problems(rules, documents, lambda *_: None)):
            raise CatalogError(locked)
        return catalog


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


def look(folder: Path, layers: Sequence[Path], digest: str | None, source: str) -> Scene:
    """Read the layer that is to be refreshed, with the others of the policy; it is the last where they lack it.

    Raises:
        UsageError: it is no folder.
        InputError: something else stands in the place of its file.
        RulesError: the policy is invalid.
    """
    if not os.path.isdir(folder):
        message = f"the layer `{folder}` is not a directory"
        raise UsageError(Problem("no-layer", message, help="make it first: --to takes the directory of a layer"))
    if (folder / CATALOG).is_symlink():
        raise InputError(Problem("linked-folder", f"`{folder / CATALOG}` is a link to a folder, which is not followed"))
    old = read_generated(folder / FILE)
    if old is not None and old.head.source != source:
        message = f"`{folder / FILE}` is of {old.head.source}, and this refresh of {source}"
        raise UsageError(Problem("other-source", message, help="give each source a layer of its own"))
    own = folder.resolve()
    if own == shipped_rules().resolve():
        message = f"`{folder}` holds the shipped rules, whose figures stay as they are"
        raise UsageError(Problem("no-layer", message, help="make a folder of your own, and name it with --policy"))
    places = [number for number, each in enumerate(layers) if each.resolve() == own]
    if places:
        policy = load_policy(layers, digest)
        documents, number = policy.catalog_documents, places[-1] + 1
        return Scene(folder, documents[number][0], policy, documents, number, old)
    if any(path.suffix in (".yaml", ".yml") for path in folder.rglob("*")):
        policy = load_policy([*layers, folder], digest)
        documents = policy.catalog_documents
    else:  # an empty folder is no layer yet
        policy = load_policy(layers, digest)
        documents = (*policy.catalog_documents, (own.name or "layer", {}))
    return Scene(folder, documents[-1][0], policy, documents, len(documents) - 1, old)


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
    models, retirements = model_entries(old_models, placed.offers.values(), data, base, _raw_models(scene))
    providers = provider_entries(prices, placed.offers, data, _elsewhere(scene))
    sections = {"models": models, "providers": providers, "prices": prices}
    content = _content(scene, data, at, named, sections)
    return Refresh(
        scene,
        data,
        at,
        named,
        placed,
        tuple(changes),
        tuple(retirements),
        tuple(name for name in models if name not in old_models and name not in base.models),
        tuple(name for name in providers if scene.old is None or name not in scene.old.providers),
        content,
        scene.policy.catalog,
        scene.after(parsed(content)),
    )


def disputes_of(catalog: Catalog, slot: Slot, day: date) -> tuple[str, ...]:
    """Return the disputes that the price is party to which counts without a refresh: the new one takes part in them."""
    counts = catalog.price(slot.model, slot.option, day, slot.provider)
    return () if counts is None or not catalog.sells_own(slot.model, slot.provider) else counts.disputes


def parsed(content: bytes) -> Mapping[str, Any]:
    """Read back what was written, as a layer's files are read."""
    from policy_engine.loading.yaml_source import load_yaml

    value = load_yaml(content, "refreshed", CatalogError)[0].value
    return value if isinstance(value, dict) else {}


def _check_order(scene: Scene, data: SourceData, at: datetime) -> None:
    if data.day > at.date():
        message = f"the data is of {data.day.isoformat()}, and the refresh of {at.date().isoformat()}"
        raise InputError(Problem("data-to-come", message, help="name the day on which it stood so, or a later --at"))
    if scene.old is None:
        return
    head = scene.old.head
    if at < head.at:
        message = f"the last refresh was at {head.at.isoformat()}, after {at.isoformat()}"
        hint = "set the clock, or --at; history is never written backwards"
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


def _raw_models(scene: Scene) -> dict[str, Any]:
    """Return the models of other files as they were read, None where they stand in the same layer.

    Later layers are left out: this one has to do without them.
    """
    found: dict[str, Any] = {}
    for number, entries in _sections(scene, "models"):
        if number <= scene.place:
            found.update({key: each if number < scene.place else None for key, each in entries.items()})
    return found


def _elsewhere(scene: Scene) -> set[str]:
    """Return the providers that other files have, up to the layer that is refreshed."""
    return {key for number, entries in _sections(scene, "providers") if number <= scene.place for key in entries}


def _sections(scene: Scene, section: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, (_, files) in enumerate(scene.documents):
        for file, document in files.items():
            entries = document.get(section) if isinstance(document, Mapping) else None
            if isinstance(entries, Mapping) and (number, file) != (scene.place, FILE):
                yield number, entries


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
