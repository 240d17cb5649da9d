"""Which of several figures for one thing counts on a day, and why: the rule of `catalog.figures`, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry
from policy_engine.catalog.figures import amount, in_force, precedence, preferred

F = TypeVar("F", bound=Entry)
State = Literal["counts", "superseded", "not_yet", "ended", "unused"]

#: Why the first of two figures counts and the other does not, by what `precedence` ranks them by; {} is the other one.
_COUNTS = (
    "the side that is asked for",
    "a later layer states it than {}",
    "newer than {}",
    "the cautious one: {} is of the same day",
    "after {} by key",
)
_LOSES = (
    "{} is the side that is asked for",
    "a later layer states {}",
    "{} is newer",
    "{} is of the same day, and the cautious one",
    "{} comes after it by key",
)


class Standing(Struct, Generic[F], frozen=True):
    """A figure, whether it counts, and why."""

    figure: F
    state: State
    why: str

    @property
    def counts(self) -> bool:
        return self.state == "counts"


def standings(
    figures: Iterable[F], at: date, sides: Mapping[str, str] | None = None, *, dated: bool = True
) -> tuple[Standing[F], ...]:
    """Return how each of `figures`, all of one thing, stands on the day `at`: the one that counts first.

    Without `dated` each is in force, whatever its days are: scores are read so.
    """
    given = sides or {}
    ordered = sorted(figures, key=lambda each: precedence(each, given), reverse=True)
    alive = [each for each in ordered if not dated or in_force(each, at)]
    first = preferred(alive, given)
    found: list[Standing[F]] = []
    for each in ordered:
        if each is first:
            found.append(Standing(each, "counts", _why_first(each, alive, given)))
        elif each in alive and first is not None:
            found.append(Standing(each, "superseded", _said(_LOSES, first, each, given)))
        elif each.starts > at:
            found.append(Standing(each, "not_yet", f"counts from {each.starts} on"))
        else:
            found.append(Standing(each, "ended", f"counted to {each.valid_to}"))
    return tuple(sorted(found, key=lambda each: not each.counts))


def _why_first(first: F, alive: list[F], sides: Mapping[str, str]) -> str:
    if len(alive) < 2:
        return "the only one in force"
    if all(amount(each) == amount(first) for each in alive):
        return "all in force say the same"
    other = next(each for each in alive if amount(each) != amount(first))
    return _said(_COUNTS, first, other, sides, named=other)


def _said(
    texts: tuple[str, ...], first: Entry, other: Entry, sides: Mapping[str, str], named: Entry | None = None
) -> str:
    pairs = zip(precedence(first, sides), precedence(other, sides), strict=True)
    place = next((at for at, (one, two) in enumerate(pairs) if one != two), len(texts) - 1)
    return texts[place].format((named or first).key)


def is_old(catalog: Catalog, stated: date, at: date) -> bool:
    """Tell whether what was stated on the day `stated` is older on the day `at` than a figure may be."""
    return (at - stated).days > catalog.rules.catalog_stale_days
