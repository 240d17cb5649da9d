"""Options side by side: bars of a month's parts, the range as a whisker, the total in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.plots.canvas import draw, label

#: Name, colour and hatch of each part: told apart without colour.
PARTS = (
    ("tokens", "#FFFFFF", ""),
    ("machines", "#56B4E9", ""),
    ("power_and_space", "#F0E442", "...."),
    ("engineers", "#8C8C8C", "////"),
    ("operations", "#FFFFFF", "xxxx"),
)


class Bar(Struct, frozen=True):
    """One option's month: dollars by part in the middle, and the low and high end of the whole; no parts: unknown."""

    name: str
    parts: dict[str, float]
    low: float
    high: float
    says: str

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def draw_cost_options(path: Path, name: str, bars: Sequence[Bar]) -> None:
    """Draw a bar for each option of the workload `name` to `path`, by its ending as SVG or PNG; the first on top.

    Raises:
        UsageError: the picture cannot be written, or the extra is missing.
    """
    most = max((bar.high for bar in bars), default=1.0) or 1.0

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        left = [0.0] * len(bars)
        for part, colour, hatch in PARTS:
            widths = [bar.parts.get(part, 0.0) for bar in bars]
            drawn = [place for place, width in enumerate(widths) if width]  # nothing is no thin bar
            if not drawn:
                continue
            axes.barh(
                drawn,
                [widths[place] for place in drawn],
                height=0.5,
                left=[left[place] for place in drawn],
                color=colour,
                edgecolor="black",
                linewidth=0.7,
                hatch=hatch,
                label=part.replace("_", " "),
                zorder=2,
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for place, bar in enumerate(bars):
            if bar.low < bar.high:
                axes.plot([bar.low, bar.high], [place + 0.36] * 2, color="black", linewidth=1.0, marker="|", zorder=3)
            axes.annotate(
                label(bar.says), (bar.total, place), (6, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(range(len(bars)), [_two_lines(bar.name) for bar in bars], fontsize=8)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, most * 1.3)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(visible=True, axis="x", color="0.88", linewidth=0.5, zorder=0)
        axes.set_axisbelow(True)
        axes.set(xlabel="USD/month; below each bar the range from low to high")
        axes.set_title(f"{label(name)}: cost a month, by parts")
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8)

    draw(path, 9.0, 1.7 + 0.55 * max(1, len(bars)), paint)


def _two_lines(name: str) -> str:
    """Write an option above its model."""
    return "\n".join(label(each) for each in name.split("\n"))
