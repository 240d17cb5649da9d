"""Charts as plain data: where each bar stands in a drawing whose text is as large as that of the page."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

_LEFT, _TOP, _BOTTOM, _RIGHT = 44, 12, 28, 8
_STEPS = (1, 2, 5)


class Bar(Struct, frozen=True):
    """A part of a bar: which series it is of, and where it stands."""

    series: str
    x: float
    y: float
    width: float
    height: float
    text: str
    """What a pointer on it reads."""


class Tick(Struct, frozen=True):
    """A label of an axis, and where it stands."""

    at: float
    text: str


class Chart(Struct, frozen=True):
    """A drawing of bars upon bars; sizes in pixels."""

    title: str
    series: tuple[str, ...]
    width: int
    height: int
    left: int
    base: float
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def stacked_bars(
    title: str,
    names: Sequence[str],
    series: Sequence[str],
    counts: Sequence[Sequence[int]],
    width: int = 760,
    height: int = 220,
) -> Chart:
    """Return a bar for each of `names`, made of the counts of each of `series`, the first at the bottom."""
    most = max((sum(row) for row in counts), default=0)
    step = _step(most)
    top = step * max(1, -(-most // step))
    base, room = height - _BOTTOM, height - _BOTTOM - _TOP
    pitch = (width - _LEFT - _RIGHT) / max(1, len(names))
    thick = max(1.0, min(pitch * 0.72, 46.0))
    bars: list[Bar] = []
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        x, y = _LEFT + pitch * (place + 0.5) - thick / 2, float(base)
        for kind, count in zip(series, row, strict=True):
            if count:
                tall = room * count / top
                y -= tall
                text = f"{name}: {count:,} {kind.replace('_', ' ')}"
                bars.append(Bar(kind, round(x, 1), round(y, 1), round(thick, 1), round(tall, 1), text))
    every = max(1, -(-len(names) // 8))
    across = tuple(Tick(round(_LEFT + pitch * (at + 0.5), 1), names[at]) for at in range(0, len(names), every))
    up = tuple(Tick(round(base - room * at / top, 1), f"{at:,}") for at in range(0, top + 1, step))
    return Chart(title, tuple(series), width, height, _LEFT, base, tuple(bars), across, up)


def _step(most: int) -> int:
    """Return a round distance of the grid's lines, of which there are five at most."""
    power = 1
    while True:
        for each in _STEPS:
            if most <= 4 * each * power:
                return each * power
        power *= 10
