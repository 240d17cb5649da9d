"""Bars of weights, cache and overhead in the memory of a device, against what of it may be used, and what it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.plots.canvas import draw, label

_GIB = 1024.0**3
#: Name, filling and hatch of each part, told apart without colour.
_PARTS = (("weights", "0.75", ""), ("cache", "white", "////"), ("overhead", "white", "...."))


class Bar(Struct, frozen=True):
    """What one device holds, in bytes. A cache of None is not known; `fits` None where only what is known fits."""

    label: str
    weights: float
    cache: float | None
    overhead: float
    usable: float
    memory: float
    fits: bool | None

    @property
    def total(self) -> float:
        return self.weights + (self.cache or 0.0) + self.overhead


def draw_memory(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Draw a bar for each device to `path`, by its ending as SVG or PNG; the first stands on top.

    Raises:
        UsageError: the picture cannot be written, or the extra is missing.
    """

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        places = range(len(bars))
        _paint_parts(axes, bars)
        _paint_limit(axes, "usable", [bar.usable for bar in bars], 2.4, "-")
        _paint_limit(axes, "all of its memory", [bar.memory for bar in bars], 1.0, ":")
        for place, bar in zip(places, bars, strict=True):
            end = max(bar.total, bar.memory) / _GIB
            axes.annotate(_said(bar), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(list(places), [label(bar.label) for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, 1.5 * max((max(bar.total, bar.memory) / _GIB for bar in bars), default=1.0))
        axes.set(xlabel="GiB of each GPU", title=label(title))
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8)

    draw(path, 8.5, 1.6 + 0.34 * max(1, len(bars)), paint)


def _paint_parts(axes: Any, bars: Sequence[Bar]) -> None:
    left = [0.0] * len(bars)
    for name, filling, hatch in _PARTS:
        widths = [(getattr(bar, name) or 0.0) / _GIB for bar in bars]
        axes.barh(
            range(len(bars)),
            widths,
            height=0.6,
            left=left,
            color=filling,
            edgecolor="black",
            linewidth=0.8,
            hatch=hatch,
            label=name,
            zorder=2,
        )
        left = [start + width for start, width in zip(left, widths, strict=True)]


def _paint_limit(axes: Any, name: str, sizes: Sequence[float], width: float, style: str) -> None:
    at = [size / _GIB for size in sizes]
    tops, ends = [place - 0.45 for place in range(len(at))], [place + 0.45 for place in range(len(at))]
    axes.vlines(at, tops, ends, colors="black", linewidths=width, linestyles=style, label=name, zorder=3)


def _said(bar: Bar) -> str:
    lower = bar.cache is None
    text = f"{'at least ' if lower else ''}{bar.total / _GIB:,.1f} of {bar.usable / _GIB:,.1f} GiB"
    return text if bar.fits is not False else f"{text}: does not fit"
