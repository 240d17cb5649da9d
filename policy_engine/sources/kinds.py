"""What the documents of a YAML file are, as far as it takes to know whether a gate has to judge them.

A folder of a repository holds YAML of all kinds, which may use what a workload file may not: tags, merge keys, repeated
keys. So this reads the parser's events, and not values; and where it is in doubt, a document is a workload. The loader
then says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any

import yaml

from policy_engine.errors import Problem
from policy_engine.loading.yaml_builder import DEEPEST
from policy_engine.loading.yaml_source import decode

_GROUP, _KIND = "policy-engine", "workload"
#: Other documents of this program: its reports, and what stands in a folder of rules.
_OWN = frozenset({"decision", "policyset", "policy", "policylayers", "waiver", "waivers", "catalog", "baseline"})
_LIKE = 0.8
_NESTING = {
    yaml.MappingStartEvent: 1,
    yaml.SequenceStartEvent: 1,
    yaml.MappingEndEvent: -1,
    yaml.SequenceEndEvent: -1,
}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Kind(Enum):
    """What a document is; `unreadable` is the last of its file."""

    WORKLOAD = "workload"
    OTHER = "other"
    EMPTY = "empty"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class _Mapping:
    """What a mapping says of itself; a value is None where it is no text, or what an alias stands for."""

    said: dict[str, list[str | None]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def is_workload(self) -> bool:
        groups, kinds = self.said.get("apiversion", []), self.said.get("kind", [])
        if not (groups or kinds):  # a workload that lost its head, or where some programs would put one in
            return "<<" in self.keys or {"metadata", "spec"} <= self.keys
        if "<<" in self.keys and not (groups and kinds):
            return True
        if any(_is_ours(group) for group in groups):
            return not kinds or not all(kind is not None and kind.casefold() in _OWN for kind in kinds)
        if any(group is not None for group in groups):
            return any(group is not None and _is_like(group.split("/")[0], _GROUP) for group in groups) and any(
                kind is None or _is_like(kind, _KIND) for kind in kinds
            )
        if groups:  # an alias: it may stand for ours
            return not kinds or any(kind is None or _is_like(kind, _KIND) for kind in kinds)
        return any(kind is None or _is_like(kind, _KIND) for kind in kinds)


def _is_ours(group: str | None) -> bool:
    return group is not None and group.strip().casefold().replace("_", "-").split("/")[0] == _GROUP


def _is_like(text: str, word: str) -> bool:
    return bool(get_close_matches(text.strip().casefold(), [word], cutoff=_LIKE))


@dataclass(slots=True)
class _Open:
    """A collection that is not at its end: a mapping's last key, and what it says where it may be a workload."""

    is_mapping: bool
    looks: _Mapping | None
    key: str | None = None
    at_key: bool = True


class _Reader:
    """Reads one document's events. The root may be a workload, or what a list holds that is the root or its `items`."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._inside = 0  # how many collections are open of which nothing matters but where they end
        self.kind = Kind.EMPTY

    def take(self, event: Any) -> None:
        if self._inside:
            self._inside += _NESTING.get(type(event), 0)
            if not self._inside:
                self._took(None)
        elif isinstance(event, yaml.ScalarEvent):
            self._value(event.value if event.value or not event.implicit[0] else None, event)
        elif isinstance(event, yaml.AliasEvent):
            self._value(None, event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(isinstance(event, yaml.MappingStartEvent))
        else:
            self._end()

    @property
    def too_deep(self) -> bool:
        return len(self._open) + self._inside > DEEPEST

    def _value(self, text: str | None, event: Any) -> None:
        if not self._open:
            if isinstance(event, yaml.AliasEvent) or event.value or not event.implicit[0]:
                self.kind = Kind.OTHER
            return
        self._took(text)

    def _took(self, text: str | None) -> None:
        """Take a key or a value into the collection that is open."""
        inner = self._open[-1]
        if not inner.is_mapping:
            return
        if inner.at_key:
            inner.key = text.casefold() if text is not None else None
            if inner.looks is not None and inner.key is not None:
                inner.looks.keys.add(inner.key)
        elif inner.looks is not None and inner.key in ("apiversion", "kind"):
            inner.looks.said.setdefault(inner.key, []).append(text)
        inner.at_key = not inner.at_key

    def _start(self, is_mapping: bool) -> None:
        if not self._open:
            self.kind = Kind.OTHER
            self._open.append(_Open(is_mapping, _Mapping() if is_mapping else None))
        elif is_mapping and not self._open[-1].is_mapping and self._is_list():
            self._open.append(_Open(True, _Mapping()))
        elif not is_mapping and len(self._open) == 1 and self._open[0].key == "items" and not self._open[0].at_key:
            self._open.append(_Open(False, None))
        else:
            self._inside = 1

    def _is_list(self) -> bool:
        """Whether the list that is open may hold workloads."""
        return len(self._open) == 1 or (len(self._open) == 2 and self._open[0].is_mapping)

    def _end(self) -> None:
        ended = self._open.pop()
        if ended.looks is not None and ended.looks.is_workload():
            self.kind = Kind.WORKLOAD
        if self._open:
            self._took(None)


def kinds_of(content: bytes) -> list[Kind]:
    """Return what each document of a file is, in order; one that is not YAML ends the list as unreadable."""
    text = decode(content, "")
    if isinstance(text, Problem):
        return [Kind.UNREADABLE]
    return list(_kinds(text)) or [Kind.EMPTY]


def _kinds(text: str) -> Iterator[Kind]:
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                reader = _Reader()
            elif isinstance(event, yaml.DocumentEndEvent):
                yield reader.kind
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                reader.take(event)
                if reader.too_deep:
                    # the parser takes minutes for a file of brackets
                    yield Kind.UNREADABLE
                    return
    except yaml.YAMLError:
        yield Kind.UNREADABLE


def is_judged(kinds: Iterable[Kind]) -> bool:
    """Whether a file of such documents is judged: where it holds a workload, or nobody can tell."""
    return any(kind in (Kind.WORKLOAD, Kind.UNREADABLE) for kind in kinds)


def passed_over(kinds: Iterable[Kind]) -> frozenset[int]:
    """Return the places of the documents, from 0, that are no workloads."""
    return frozenset(at for at, kind in enumerate(kinds) if kind in (Kind.OTHER, Kind.EMPTY))


def may_hold_workload(content: bytes) -> bool:
    """Whether any document of a file can be a valid workload, without parsing: its `apiVersion` is text of the file.

    Only an escape in double quotes can write it otherwise.
    """
    return b"policy-engine/v1" in content or b"\\" in content
