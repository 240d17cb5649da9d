"""The facts that conditions can tell apart: for each fact one value on every side of every constant, and unknown.

Where conditions compare facts with constants alone, every set of facts behaves as one of these points does: what holds
on all of them holds. `exact` says so; elsewhere the points are where something is most likely to change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from msgspec import Struct

from policy_engine.coverage.uses import Use, folded, uses_of
from policy_engine.language.tree import Node
from policy_engine.model.vocabulary import Fact, Vocabulary

#: Points that are looked at, at most; of a larger space that many, spread over it.
MOST_POINTS = 20_000
_MOST_ITEMS = 5
_MOST_SIZE = 12
#: A fact of so many whole numbers takes part with each of them where more is asked of it than how it compares.
_FEW_INTEGERS = 64
#: Of constants that words are put together from.
_MOST_JOINED = 4
_NEAR = (0.01, 1e-6)


class Space(Struct, frozen=True):
    """Values by fact, unknown (None) last; `exact`: nothing outside of it behaves otherwise."""

    values: Mapping[str, tuple[Any, ...]]
    exact: bool

    @property
    def size(self) -> int:
        return math.prod(len(each) for each in self.values.values())

    @property
    def complete(self) -> bool:
        """Whether `points` yields all that conditions can tell apart."""
        return self.exact and self.size <= MOST_POINTS

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield facts by name, unknown ones left out; those of which everything is known come early."""
        names, size = list(self.values), self.size
        step = 1 if size <= MOST_POINTS else _step(size)
        for count in range(min(size, MOST_POINTS)):
            number, point = count * step % size, {}
            for name in names:
                number, index = divmod(number, len(self.values[name]))
                value = self.values[name][index]
                if value is not None:
                    point[name] = value
            yield point


def _step(size: int) -> int:
    """Return a number without a divisor in common with `size`, so that its multiples spread over all of it."""
    step = int(size * 0.6180339887)
    while math.gcd(step, size) != 1:
        step += 1
    return step


def space_of(nodes: Sequence[Node], vocabulary: Vocabulary) -> Space:
    """Return the space of what `nodes` read; parameters have to be put in before."""
    values, exact = {}, True
    for name, use in sorted(uses_of([folded(node) for node in nodes]).items()):
        fact = vocabulary.facts[name]
        found, whole = _values(fact, use)
        exact &= whole
        values[name] = tuple(found) if fact.never_unknown else (*found, None)
    return Space(values, exact)


def _values(fact: Fact, use: Use) -> tuple[list[Any], bool]:
    """Return the values of a fact that differ, and whether no others do."""
    if fact.type == "bool":
        return [True, False], True
    if fact.type == "int":
        few = _all_integers(fact) if use.whole else None
        return (few, True) if few is not None else (_integers(fact, use), use.exact)
    if fact.type == "double":
        return _doubles(fact, use), use.exact
    if fact.type == "list<string>":
        return _lists(fact, use)
    return _words(fact, use)


def _nearest(fact: Fact, value: float) -> float:
    """Return the value of the fact that is nearest to `value`: beyond its bounds nothing changes."""
    low = -math.inf if fact.minimum is None else fact.minimum
    high = math.inf if fact.maximum is None else fact.maximum
    return min(max(value, low), high)


def _inside(fact: Fact, value: float) -> bool:
    return _nearest(fact, value) == value


def _all_integers(fact: Fact) -> list[Any] | None:
    """Return every value of a fact that has few; None where it has many."""
    if fact.minimum is None or fact.maximum is None or fact.maximum - fact.minimum >= _FEW_INTEGERS:
        return None
    return list(range(math.ceil(fact.minimum), math.floor(fact.maximum) + 1))


def _integers(fact: Fact, use: Use) -> list[Any]:
    cuts = use.constants or {int(fact.minimum or 0)}
    return sorted({int(_nearest(fact, each)) for cut in cuts for each in (cut - 1, cut, cut + 1)})


def _doubles(fact: Fact, use: Use) -> list[Any]:
    """Return each cut, and one number between each two and beyond them, near the lower one."""
    cuts = sorted(use.constants or {float(fact.minimum or 0.0)})
    found = [_below(fact, cuts[0]), *cuts]
    found += [_above(one, other) for one, other in zip(cuts, [*cuts[1:], math.inf], strict=True)]
    return sorted({float(_nearest(fact, each)) for each in found if each is not None})


def _below(fact: Fact, cut: float) -> float | None:
    near = [cut - step for step in _NEAR if cut - step < cut and _inside(fact, cut - step)]
    between = cut / 2 if fact.minimum is None else (fact.minimum + cut) / 2
    return near[0] if near else (between if between < cut else None)


def _above(cut: float, after: float) -> float | None:
    near = [cut + step for step in _NEAR if cut < cut + step < after]
    if near:
        return near[0]
    between = (cut + after) / 2 if math.isfinite(after) else math.nextafter(cut, math.inf)
    return between if cut < between < after else None


def _words(fact: Fact, use: Use) -> tuple[list[Any], bool]:
    named = [each for each in fact.values or () if each in use.constants]
    if fact.values is not None:
        others = [each for each in fact.values if each not in use.constants]
        return (list(fact.values), True) if use.whole else (named + others[:1], True)
    words = sorted(use.constants)
    sized = ["x" * size for size in sorted({s + d for s in use.sizes for d in (-1, 0, 1) if 0 <= s + d <= 40})]
    joined = _joined(words) if use.whole and len(words) <= _MOST_JOINED else []
    found = [*words, *_others(words, 2 if use.whole else 1), *joined, *sized]
    return list(dict.fromkeys(found)), use.exact and not use.sizes


def _joined(words: Sequence[str]) -> list[str]:
    """Return words that start with one of `words`, end with one, have one within, or both."""
    found = [each for word in words for each in (f"{word}x", f"x{word}", f"x{word}x")]
    return found + [f"{one}{other}" for one in words for other in words if one != other]


def _others(words: Sequence[str], count: int) -> list[str]:
    candidates = (f"other-{number}" if number else "other" for number in range(len(words) + count))
    return [each for each in candidates if each not in words][:count]


def _lists(fact: Fact, use: Use) -> tuple[list[Any], bool]:
    """Return lists by the set of their items, which is all that is asked of them beside their size."""
    named = [each for each in fact.values if each in use.constants] if fact.values else sorted(use.constants)
    others = [each for each in fact.values if each not in use.constants][:1] if fact.values else _others(named, 1)
    items = [*named, *others]
    few = len(items) <= _MOST_ITEMS
    counts = range(len(items) + 1) if few else (0, 1, 2, len(items))
    subsets = [list(each) for count in counts for each in combinations(items, count)]
    sizes = {size + more for size in use.sizes for more in (-1, 0, 1)}
    longer = [
        [*each, *[each[0]] * (size - len(each))]
        for each in subsets
        if each
        for size in sorted(sizes)
        if size > len(each)
    ]
    short = max(sizes, default=0) <= _MOST_SIZE
    return subsets + (longer if short else []), few and short and use.exact
