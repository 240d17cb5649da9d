"""The layer that is refreshed, among the others of the policy: what it lies over, and what comes after it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.catalog import Catalog, build_catalog
from policy_engine.errors import CatalogError, InputError, Problem, UsageError
from policy_engine.loading.layers import CATALOG, shipped_rules
from policy_engine.loading.locked_catalog import locked_catalog_problems
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.pricing.generated import FILE, Generated, read_generated

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


def raw_models(scene: Scene) -> dict[str, Any]:
    """Return the models of other files as they were read, None where they stand in the same layer.

    Later layers are left out: this one has to do without them.
    """
    found: dict[str, Any] = {}
    for number, entries in _sections(scene, "models"):
        if number <= scene.place:
            found.update({key: each if number < scene.place else None for key, each in entries.items()})
    return found


def elsewhere(scene: Scene) -> set[str]:
    """Return the providers that other files have, up to the layer that is refreshed."""
    return {key for number, entries in _sections(scene, "providers") if number <= scene.place for key in entries}


def _sections(scene: Scene, section: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, (_, files) in enumerate(scene.documents):
        for file, document in files.items():
            entries = document.get(section) if isinstance(document, Mapping) else None
            if isinstance(entries, Mapping) and (number, file) != (scene.place, FILE):
                yield number, entries
