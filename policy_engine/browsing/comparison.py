"""Several models side by side: a line for each figure, with what each has, who states it, and which is best.

A line names a best only where all of its cells are known and of one kind; where a source that disagrees would put
another first, it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.browsing.standings import is_old
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.entries import Entry

Better = Literal["more", "less"]
State = Literal["known", "unknown", "none"]


class Stated(Struct, frozen=True):
    """Who states something, on which day, and whether that is older than a figure may be."""

    source: str
    as_of: date
    stale: bool
    disputes: tuple[str, ...] = ()
    figure: str | None = None


class Other(Struct, frozen=True):
    """What another source says of the same, which does not count; `disputes` where it is a dispute of the register."""

    value: float
    stated: Stated


class Cell(Struct, frozen=True):
    """What one model has: a number, or words. `none` is a sure no, `unknown` that nobody has said.

    `value` is the middle of `low` to `high` where the source gives a range.
    """

    state: State
    value: float | None = None
    text: str = ""
    stated: Stated | None = None
    others: tuple[Other, ...] = ()
    at_least: bool = False
    low: float | None = None
    high: float | None = None


UNKNOWN = Cell("unknown")


class Line(Struct, frozen=True):
    """A figure of several models. `best` are the places of those that come first; `note` is what is to note of it."""

    group: str
    name: str
    key: str
    unit: str
    better: Better | None
    cells: tuple[Cell, ...]
    best: tuple[int, ...] = ()
    note: str = ""


def stated(catalog: Catalog, at: date, entry: Entry) -> Stated:
    """Return who states `entry`."""
    return Stated(entry.source, entry.as_of, is_old(catalog, entry.as_of, at), entry.disputes, entry.key)


def ranked(line: Line, names: Sequence[str]) -> Line:
    """Return `line` with the best of it, and what is to note; `names` are those of the models."""
    known = [cell for cell in line.cells if cell.state == "known"]
    if line.better is None or not known:
        return line
    if len(known) == 1 and len(names) > 1:
        return replace(line, note=f"not compared: only {names[_place(line)]} has one")
    if len(known) < len(names):
        return replace(line, note="no best: not all are known")
    if any(cell.at_least for cell in known):
        return replace(line, note="no best: what is at least so much may be more")
    best = _first([cell.value or 0.0 for cell in line.cells], line.better)
    return replace(line, best=best, note="; ".join(_unsure(line, names, best)))


def _place(line: Line) -> int:
    return next(at for at, cell in enumerate(line.cells) if cell.state == "known")


def _first(values: Sequence[float], better: Better) -> tuple[int, ...]:
    """Return the places of the best; none where all are the same."""
    most = max(values) if better == "more" else min(values)
    places = tuple(at for at, value in enumerate(values) if value == most)
    return () if len(places) == len(values) else places


def _unsure(line: Line, names: Sequence[str], best: tuple[int, ...]) -> Iterable[str]:
    """Say by which other source another model would come first."""
    if line.better is None:
        return
    values = [cell.value or 0.0 for cell in line.cells]
    for at, cell in enumerate(line.cells):
        for other in cell.others:
            first = _first([*values[:at], other.value, *values[at + 1 :]], line.better)
            if first != best:
                which = ", ".join(other.stated.disputes) or other.stated.source
                said = " and ".join(names[place] for place in first) or "none"
                yield f"by {other.stated.source} ({which}) {said} would come first"
