"""The tree of regions: who lies inside whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from policy_engine.catalog.entries import Region

ANYWHERE = "anywhere"


class Places(NamedTuple):
    """Where the provider of a proposal runs, as far as it tells of the proposed region.

    `known` are the regions of the provider that is named. Where none is named, `perhaps` are those of each that may be
    meant.
    """

    known: tuple[str, ...] | None = None
    perhaps: tuple[tuple[str, ...], ...] = ()


NO_PLACES = Places()


class Regions:
    """The regions that the catalog knows; others are unknown, never outside."""

    __slots__ = ("_above", "by_name")

    def __init__(self, regions: Mapping[str, Region], names: Mapping[str, str]) -> None:
        self.by_name: Mapping[str, Region] = {name: regions[key] for name, key in names.items()}
        self._above = {name: self._line(name) for name in self.by_name}

    def _line(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        at: Region | None = self.by_name[name]
        while at is not None and at.key not in found:
            found.add(at.key)
            at = self.by_name[at.parent] if at.parent is not None else None
        return frozenset(found)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def contains(self, allowed: Iterable[str] | None, region: str | None) -> bool | None:
        """Tell whether `region` lies inside one of `allowed`; None where one of them is not known.

        A region wider than those allowed is not inside: some of its places are not.
        """
        if allowed is None:
            return None
        names = tuple(allowed)
        if ANYWHERE in names:
            return True
        above = self._above.get(region) if region is not None else None
        if above is None:
            return None
        if any(name in self.by_name and self.by_name[name].key in above for name in names):
            return True
        return False if all(name in self.by_name for name in names) else None

    def apart(self, one: Iterable[str], other: Iterable[str]) -> bool:
        """Tell whether surely no place lies in both: all regions are known, and none holds one of the other side."""
        here, there = tuple(one), tuple(other)
        if not all(name in self.by_name for name in (*here, *there)):
            return False
        return not any(
            self.by_name[first].key in self._above[second] or self.by_name[second].key in self._above[first]
            for first in here
            for second in there
        )
