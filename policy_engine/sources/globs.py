"""Patterns of paths, matched folder by folder: `*`, `?`, `[...]` within a name, and `**` for any number of folders.

Hidden names match as others do: a workload is not left out because its name begins with a dot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

_MAGIC = re.compile(r"[*?\[]")
_ANY = "**"
#: How much of a pattern has been matched; more than one length where `**` leaves it open.
Matched = frozenset[int]


def is_pattern(text: str) -> bool:
    """Whether `text` is a pattern: it has a wildcard."""
    return _MAGIC.search(text) is not None


class Glob(Struct, frozen=True):
    """The part of a pattern from its first wildcard on; what lies before it is `folder`, empty for the working one."""

    folder: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        parts = pattern.split("/")
        first = next(index for index, part in enumerate(parts) if is_pattern(part))
        folder = "/".join(parts[:first])
        if first and not folder:
            folder = "/"
        found = [part for part in parts[first:] if part not in ("", ".")]
        return cls(folder, (*found, *(["*"] if parts[-1] == "" else [])))  # only a folder has a slash behind it

    @property
    def ending(self) -> str | None:
        """The ending of names that the pattern itself says, as `.json`."""
        _, dot, ending = self.parts[-1].rpartition(".")
        return f".{ending.lower()}" if dot and ending and not is_pattern(ending) else None

    def start(self) -> Matched:
        """Return what is matched at `folder`."""
        return self._open({0})

    def step(self, matched: Matched, name: str) -> Matched:
        """Return what is matched after one more name; empty where nothing below can match any more."""
        done = len(self.parts)
        found = set()
        for at in matched:
            if at == done:
                found.add(done)  # what lies in a matched folder is matched
            elif self.parts[at] == _ANY:
                found.add(at)
            elif fnmatchcase(name, self.parts[at]):
                found.add(at + 1)
        return self._open(found)

    def is_done(self, matched: Matched) -> bool:
        """Whether the pattern is matched whole."""
        return len(self.parts) in matched

    def matches(self, names: Sequence[str]) -> bool:
        """Whether the path of these names below `folder` is matched, or lies in a folder that is."""
        matched = self.start()
        for name in names:
            matched = self.step(matched, name)
        return self.is_done(matched)

    def _open(self, matched: set[int]) -> Matched:
        """Add what `**` matches without any folder."""
        for at in sorted(matched):
            while at < len(self.parts) and self.parts[at] == _ANY:
                at += 1
                matched.add(at)
        return frozenset(matched)
