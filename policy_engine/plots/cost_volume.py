"""Cost a month against tokens a month, log-log: a line and a band for each option, numbered break-even points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.plots.canvas import draw, label, plain_ticks

#: Colour, line style and width by option: told apart without colour, and by those who see other colours.
STYLES: dict[str, tuple[str, Any, float]] = {
    "proprietary_api": ("#000000", "-", 1.3),
    "open_api": ("#0072B2", "--", 1.5),
    "open_batch": ("#009E73", "-.", 1.5),
    "self_hosted": ("#D55E00", "-", 2.4),
    "edge": ("#9E5A87", ":", 2.2),
}
_OTHER = ("0.45", (0, (5, 1, 1, 1, 1, 1)), 1.2)
_POINTS = 240
#: The least distance of two names beside the picture, as a part of its height.
_APART = 0.065


class Line(Struct, frozen=True):
    """An option's model: dollars a month at each volume; `main` is false for a second model of an option."""

    name: str
    option: str
    volumes: tuple[float, ...]
    low: tuple[float, ...]
    central: tuple[float, ...]
    high: tuple[float, ...]
    main: bool = True


class Meeting(Struct, frozen=True):
    """A break-even point: tokens a month, dollars a month, what meets there, and what to say of it."""

    tokens: float
    usd: float
    what: str
    says: str


class Panel(Struct, frozen=True):
    """One task: its lines, where they meet, its own volume (None: unknown), and what was not to be drawn."""

    title: str
    lines: tuple[Line, ...]
    meetings: tuple[Meeting, ...]
    volume: float | None
    volume_says: str
    notes: tuple[tuple[str, str], ...] = ()


def volumes(marks: Sequence[float]) -> tuple[float, ...]:
    """Return the volumes to draw at: a decade around all marks, evenly on a logarithmic axis."""
    known = [mark for mark in marks if math.isfinite(mark) and mark > 0] or [1e8]
    low, high = math.floor(math.log10(min(known)) - 0.7), math.ceil(math.log10(max(known)) + 0.5)
    high = max(high, low + 3)
    return tuple(10 ** (low + (high - low) * step / _POINTS) for step in range(_POINTS + 1))


def draw_cost_volume(path: Path, name: str, panels: Sequence[Panel]) -> None:
    """Draw a panel for each task of the workload `name` to `path`, by its ending as SVG or PNG.

    Raises:
        UsageError: the picture cannot be written, or the extra is missing.
    """
    said = max(len(panel.meetings) + len(panel.notes) for panel in panels)

    def paint(figure: Any) -> None:
        figure.suptitle(f"{label(name)}: cost against volume, low to high", fontsize=10)
        rows = figure.subplots(len(panels), 1, squeeze=False)
        for (axes,), panel in zip(rows, panels, strict=True):
            _paint(axes, panel)

    draw(path, 9.0, 0.4 + len(panels) * (4.6 + 0.17 * said), paint)


def _paint(axes: Any, panel: Panel) -> None:
    axes.set(xscale="log", yscale="log")
    for line in panel.lines:
        colour, style, width = STYLES[line.option] if line.main else _OTHER
        axes.fill_between(line.volumes, line.low, line.high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(line.volumes, line.central, color=colour, linestyle=style, linewidth=width)
    ends = [value for line in panel.lines for value in (line.low[0], line.central[0], line.central[-1], line.high[-1])]
    known = [value for value in ends if value > 0] or [1.0]
    bottom, top = max(min(known), 1e-2) / 1.5, max(known) * 1.5
    axes.set_ylim(bottom, top)
    axes.set_xlim(panel.lines[0].volumes[0], panel.lines[0].volumes[-1])
    axes.set_ylabel("USD/month", fontsize=9)
    axes.grid(visible=True, which="major", color="0.88", linewidth=0.5)
    _ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    _name_lines(axes, panel.lines, bottom, top)
    _mark(axes, panel)
    foot = [f"{number}  {label(each.what)}: {label(each.says)}" for number, each in enumerate(panel.meetings, 1)]
    foot += [f"{label(what)}: {label(says)}" for what, says in panel.notes]
    axes.set_xlabel("\n".join(["tokens/month", *foot]), fontsize=9, loc="left")
    if panel.title:
        axes.set_title(label(panel.title), fontsize=9, loc="left")


def _name_lines(axes: Any, lines: Sequence[Line], bottom: float, top: float) -> None:
    """Write each name beside the end of its line, apart from one another."""
    span = math.log10(top) - math.log10(bottom)
    wanted = sorted(((math.log10(max(line.central[-1], bottom)) - math.log10(bottom)) / span, line) for line in lines)
    places = _apart([place for place, _ in wanted])
    for place, (_, line) in zip(places, wanted, strict=True):
        colour = STYLES[line.option][0] if line.main else _OTHER[0]
        axes.annotate(
            label(line.name),
            xy=(line.volumes[-1], line.central[-1]),
            xytext=(1.03, place),
            textcoords="axes fraction",
            fontsize=8,
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 2,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def _apart(places: Sequence[float]) -> list[float]:
    """Return rising places at least `_APART` from one another, within the picture where there is room."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + _APART) if found else max(place, 0.0))
    over = found[-1] - 1.0 if found else 0.0
    if over > 0:
        limit = 1.0
        for index in range(len(found) - 1, -1, -1):
            found[index] = min(found[index], limit)
            limit = found[index] - _APART
    return found


def _mark(axes: Any, panel: Panel) -> None:
    if panel.volume is not None:
        axes.axvline(panel.volume, color="0.35", linestyle=(0, (1, 1.5)), linewidth=1.2, zorder=1)
        # past the middle its words stand to the left of it, or they would run out of the picture
        low, high = (math.log10(panel.lines[0].volumes[end]) for end in (0, -1))
        past = math.log10(panel.volume) > (low + high) / 2
        axes.annotate(
            label(panel.volume_says),
            (panel.volume, 1.0),
            (-3 if past else 3, -4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8,
            ha="right" if past else "left",
            va="top",
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )
    white = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for number, each in enumerate(panel.meetings, 1):
        axes.plot([each.tokens], [each.usd], marker="o", color="white", markeredgecolor="black", markersize=7, zorder=4)
        axes.annotate(
            str(number), (each.tokens, each.usd), (-4, 9), textcoords="offset points", fontsize=8, zorder=3, bbox=white
        )


def _ticks(axis: Any) -> None:
    """Label the decades with words, which are shorter than so many zeros."""
    plain_ticks(axis)
    axis.set_major_formatter(lambda value, _: _short(value))


def _short(value: float) -> str:
    """Return a number of tokens with k, M, bn or tn."""
    for step, sign in ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= step:
            return f"{value / step:,.3g} {sign}" if value / step < 1000 else f"{value / step:,.0f} {sign}"
    return f"{value:,.3g}"
