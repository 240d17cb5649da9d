"""Lay catalog files over one another: a later layer's entry replaces the earlier one of the same key.

`disabled: true` removes an entry, and with it the figures that speak of it. What is wrong is collected, so that one
run shows all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.catalog.sections import REGISTERS, SECTIONS
from policy_engine.errors import Problem, Span, did_you_mean

Layers = Sequence[tuple[str, Mapping[str, Any]]]
SpanOf = Callable[[str, str, tuple[str | int, ...]], Span | None]

#: Fields by which an entry speaks of another, and the section where that one stands.
REFERENCES = {"model": "models", "provider": "providers", "benchmark": "benchmarks", "gpu": "gpus"}
#: Fields that list models.
MODEL_LISTS = ("models", "serves")


class RawEntry(Struct, frozen=True):
    """An entry as it was read, and where it stands."""

    section: str
    key: str
    value: Mapping[str, Any]
    layer: str
    rank: int
    file: str


@dataclass(slots=True)
class Problems:
    """What is wrong so far, each with its place where the caller can tell it."""

    span_of: SpanOf | None
    found: list[Problem] = field(default_factory=list)

    def add(
        self,
        code: str,
        message: str,
        entry: RawEntry | None = None,
        path: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        """Report `message`, at `path` inside `entry`."""
        span = None
        if entry is not None:
            message = f"{entry.section} `{entry.key}`: {message}"
            span = self.at(entry.layer, entry.file, (entry.section, entry.key, *path))
        self.found.append(Problem(code, message, span, hint))

    def at(self, layer: str, file: str, path: tuple[str, ...]) -> Span | None:
        """Return the place of `path`, where the caller can tell it."""
        return self.span_of(layer, file, path) if self.span_of else None


Raw = dict[str, dict[str, RawEntry]]


def merged(layers: Layers, problems: Problems) -> Raw:
    """Return the entries in force, by section and key, in the order of their keys: no digest covers a file's own."""
    entries: Raw = {section: {} for section in SECTIONS}
    gone: dict[str, set[str]] = {section: set() for section in SECTIONS}
    for rank, (layer, files) in enumerate(layers):
        seen: dict[tuple[str, str], str] = {}
        for entry in _entries_of(layer, rank, files, problems):
            where = (entry.section, entry.key)
            if where in seen:
                message = f"stands in `{seen[where]}` and in `{entry.file}`"
                problems.add("catalog-duplicate", message, entry, hint="keep one of them")
                continue
            seen[where] = entry.file
            _apply(entry, entries[entry.section], gone[entry.section], problems)
    return {section: dict(sorted(each.items())) for section, each in _without(entries, gone).items()}


def _apply(entry: RawEntry, entries: dict[str, RawEntry], gone: set[str], problems: Problems) -> None:
    if "disabled" not in entry.value or entry.value["disabled"] is False:
        entries[entry.key] = entry
        gone.discard(entry.key)
    elif entry.value["disabled"] is not True:
        problems.add("catalog-type", "`disabled` takes true or false", entry, ("disabled",))
    elif entry.key not in entries:
        hint = did_you_mean(entry.key, list(entries))
        problems.add("catalog-reference", "no earlier layer has the entry that is disabled", entry, hint=hint)
    else:
        aliases = entries.pop(entry.key).value.get("aliases")
        gone.update([entry.key, *(aliases if isinstance(aliases, list | tuple) else ())])


def _without(entries: Raw, gone: Mapping[str, set[str]]) -> Raw:
    """Return `entries` without what speaks of those that are gone."""
    if not any(gone.values()):
        return entries
    found: Raw = {}
    for section, each in entries.items():
        kept = {key: _bereft(entry, gone["models"]) for key, entry in each.items()}
        found[section] = {key: entry for key, entry in kept.items() if not _speaks_of(entry, gone)}
    return found


def _speaks_of(entry: RawEntry, gone: Mapping[str, set[str]]) -> bool:
    named = any(_name(entry.value.get(field)) in gone[section] for field, section in REFERENCES.items())
    return named or (entry.section == "routes" and entry.value.get("models") == [])


def _bereft(entry: RawEntry, models: set[str]) -> RawEntry:
    """Return `entry` with `models` left out of its lists of them."""
    lists = {
        field: [name for name in entry.value[field] if name not in models]
        for field in MODEL_LISTS
        if isinstance(entry.value.get(field), list | tuple) and models.intersection(map(str, entry.value[field]))
    }
    return replace(entry, value={**entry.value, **lists}) if lists else entry


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _entries_of(layer: str, rank: int, files: Mapping[str, Any], problems: Problems) -> Iterator[RawEntry]:
    for file, content in files.items():
        if not isinstance(content, Mapping):
            message = f"`{file}` does not hold a mapping of sections"
            problems.found.append(Problem("catalog-type", message, problems.at(layer, file, ())))
            continue
        for section, entries in content.items():
            yield from _section_of(layer, rank, file, section, entries, problems=problems)


def _section_of(
    layer: str, rank: int, file: str, section: Any, entries: Any, *, problems: Problems
) -> Iterator[RawEntry]:
    place = problems.at(layer, file, (str(section),))
    if section not in SECTIONS or REGISTERS.get(section, file) != file:
        hint = did_you_mean(str(section), [each for each in SECTIONS if each not in REGISTERS])
        if section in REGISTERS:
            hint = f"write it into {REGISTERS[section]} at the root of the layer, where rules find it too"
        problems.found.append(
            Problem("catalog-unknown-section", f"`{section}` is no section of the catalog's files", place, hint)
        )
        return
    if not isinstance(entries, Mapping):
        problems.found.append(Problem("catalog-type", f"`{section}` does not hold entries by key", place))
        return
    for key, value in entries.items():
        entry = RawEntry(section, str(key), value if isinstance(value, Mapping) else {}, layer, rank, file)
        if not isinstance(key, str) or not isinstance(value, Mapping):
            problems.add("catalog-type", "an entry is a mapping of fields under a key that is text", entry)
            continue
        yield entry


def plain(value: Any) -> Any:
    """Return `value` with dates as text, so that it does not matter which YAML reader was used."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items() if key != "disabled"}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
