"""What a refresh makes of models and providers: which entries are others than before, field by field.

Compared is what an entry says, and not by whom nor when: a source's own day moves with every refresh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal

from msgspec import Struct

Entry = Mapping[str, Any]
_OF_THE_SOURCE = frozenset({"source", "as_of"})
REGIONS = "regions"


class FieldChange(Struct, frozen=True):
    """A field of an entry, as plain values; None is not stated."""

    name: str
    before: Any
    after: Any


class EntryChange(Struct, frozen=True):
    """What became of an entry of `section` ("models", "providers")."""

    section: str
    key: str
    what: Literal["added", "changed", "gone"]
    fields: tuple[FieldChange, ...]

    @property
    def regions(self) -> FieldChange | None:
        """The change of the regions that residency is decided by, where they are others than before."""
        return next((each for each in self.fields if self.section == "providers" and each.name == REGIONS), None)


def entry_changes(
    section: str, old: Mapping[str, Entry], new: Mapping[str, Entry], beneath: Mapping[str, Entry | None]
) -> Iterator[EntryChange]:
    """Yield what differs between the entries of the file before and after.

    `beneath` are those of other files, over which one of the file lies: that is what is in force without it.
    """
    for key in sorted({*old, *new}):
        before, after = old.get(key, beneath.get(key)), new.get(key, beneath.get(key))
        names = sorted({*(before or ()), *(after or ())} - _OF_THE_SOURCE)
        pairs = ((name, _value(before, name), _value(after, name)) for name in names)
        fields = tuple(FieldChange(name, one, other) for name, one, other in pairs if one != other)
        if fields:
            yield EntryChange(section, key, _what(before, after), fields)


def _what(before: Entry | None, after: Entry | None) -> Literal["added", "changed", "gone"]:
    if before is None:
        return "added"
    return "gone" if after is None else "changed"


def _value(entry: Entry | None, name: str) -> Any:
    """Return what a field says, in whatever form it says it."""
    found = (entry or {}).get(name)
    return _plain(found["value"] if isinstance(found, Mapping) and "value" in found else found)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
