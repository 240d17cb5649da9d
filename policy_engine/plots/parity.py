"""Differences between models with their intervals, and the margin within which a model counts as equivalent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.plots.canvas import draw, label

_SHORTEST = 0.05
#: Inches: without names, and for each of their characters.
_WIDTH, _OF_CHARACTER = 6.6, 0.08
#: More rows make a picture that nothing opens.
_MOST = 100


class Bar(Struct, frozen=True):
    """A candidate on a task: its difference to the model in use with the interval, shares, and the verdict."""

    label: str
    value: float
    low: float
    high: float
    verdict: str


def draw_parity(path: Path, title: str, bars: Sequence[Bar], margin: float) -> None:
    """Write the picture, a row for each bar from the top; of more than a hundred it says how many are left out."""
    more = len(bars) - _MOST
    bars = bars[:_MOST]
    axis = "candidate less the model in use, as a share of 1 (line: interval)"
    axis += f"\n{more:,} more are not drawn" if more > 0 else ""
    names = [label(bar.label) for bar in bars]

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        places = range(len(bars))
        axes.axvspan(-margin, margin, color="0.88", zorder=0, label=f"margin of {margin:g}")
        axes.axvline(0, color="black", linewidth=0.8, zorder=1)
        axes.hlines(places, [b.low for b in bars], [b.high for b in bars], colors="black", linewidth=1.6, zorder=2)
        axes.plot([b.value for b in bars], list(places), "o", color="black", markersize=5, zorder=3, label="difference")
        ends = [abs(end) for bar in bars for end in (bar.low, bar.high, bar.value)]
        reach = 1.25 * max([*ends, margin, _SHORTEST])
        for place, bar in enumerate(bars):
            said = label(bar.verdict.replace("_", " "))
            axes.annotate(said, (bar.value, place), (0, 6), textcoords="offset points", ha="center", fontsize=8)
        axes.set_yticks(list(places), names)
        axes.set_ylim(len(bars) - 0.5, -0.6)
        axes.set_xlim(-reach, reach)
        axes.set(xlabel=axis, title=label(title))
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)

    # long names take no room from what is drawn
    width = max(8.0, _WIDTH + _OF_CHARACTER * max(map(len, names), default=0))
    draw(path, width, 1.7 + 0.42 * max(1, len(bars)), paint)
