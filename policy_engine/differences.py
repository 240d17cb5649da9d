"""Where two JSON documents differ: a list of paths with both values, as long as anybody reads and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

MOST = 50
_LONGEST = 200
_ABSENT = object()
#: What a decision would be if something else were so: it follows from the rest, and is long, so that it comes last.
_WHAT_IF = frozenset({"counterfactuals", "counterfactuals_left_out", "pairs", "ways", "releases", "disputes"})


class Difference(Struct, frozen=True):
    """A place where two documents differ; values are written as JSON, shortened, and None where there is none."""

    path: str
    recorded: str | None
    replayed: str | None


def differences(recorded: Any, replayed: Any, name: str = "") -> Iterator[Difference]:
    """Yield what differs, in the order of the paths, what-ifs last; `name` stands before each path.

    INVARIANT: no call for each level of nesting; what is compared may be hostile.
    """
    waiting: list[tuple[str, Any, Any]] = [(name, recorded, replayed)]
    later: list[tuple[str, Any, Any]] = []
    while waiting or later:
        if not waiting:
            waiting, later = sorted(later, key=lambda each: each[0], reverse=True), []
        path, one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted(one.keys() | other.keys(), reverse=True):
                found = (_member(path, key), one.get(key, _ABSENT), other.get(key, _ABSENT))
                (later if key in _WHAT_IF else waiting).append(found)
        elif isinstance(one, list) and isinstance(other, list):
            for index in range(max(len(one), len(other)) - 1, -1, -1):
                left, right = (each[index] if index < len(each) else _ABSENT for each in (one, other))
                waiting.append((f"{path}[{index}]", left, right))
        elif not _same(one, other):
            yield Difference(path or "the whole", shortened(one), shortened(other))


def shortened(value: Any) -> str | None:
    """Return a value as JSON of a bounded length."""
    if value is _ABSENT:
        return None
    if isinstance(value, dict | list):
        text = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    else:
        import json

        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _member(path: str, key: str) -> str:
    shown = key if key.replace("_", "a").replace("-", "a").isalnum() and len(key) <= _LONGEST else repr(key)[:_LONGEST]
    return f"{path}.{shown}" if path else shown


def _same(one: Any, other: Any) -> bool:
    # true is 1 to Python, and not to JSON; 1 is 1.0 to both
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
