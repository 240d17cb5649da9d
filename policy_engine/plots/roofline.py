"""Rooflines: what devices can do at most at each arithmetic intensity, with claims and measured points on them.

A roof rises with the bandwidth (GB/s times FLOP/byte) until it meets the peak (TFLOP/s). Roofs differ by line style,
points by shape and number, so that nothing hangs on colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from policy_engine.plots.canvas import draw, figure_text, label, plain_ticks

_STYLES = ("-", "--", "-.", ":")
_GREYS = ("0.0", "0.3", "0.5")
#: Shape and filling of a measured point, and of a claim by its verdict.
_MARKERS = {
    "measured": ("o", "black"),
    "verified": ("s", "white"),
    "contradicted": ("X", "black"),
    "unverifiable": ("D", "white"),
}
_UNJUDGED = ("^", "white")
#: Where the number of a point stands beside it, in printer's points: the next one where the first is taken.
_TURNS = ((8, -3), (-15, -3), (22, -3), (-29, -3))
_CLOSE = 0.25


class Roof(Struct, frozen=True):
    """What bounds one device, or several together; `measured` where a probe found it, else as published."""

    label: str
    bandwidth_gb_s: float
    tflops: float
    measured: bool

    @property
    def ridge(self) -> float:
        """FLOP/byte from which on arithmetic is what bounds."""
        return self.tflops * 1000 / self.bandwidth_gb_s

    def at(self, intensity: float) -> float:
        """Return the most TFLOP/s at `intensity` FLOP/byte."""
        return min(self.tflops, intensity * self.bandwidth_gb_s / 1000)


class Point(Struct, frozen=True):
    """A rate at an arithmetic intensity: claimed, with the verdict on the claim, or measured."""

    label: str
    intensity_flop_per_byte: float
    tflops: float
    kind: Literal["claim", "measured"]
    verdict: str | None


def draw_roofline(path: Path, title: str, roofs: Sequence[Roof], points: Sequence[Point]) -> None:
    """Draw a log-log roofline to `path`, by its ending as SVG or PNG.

    What is not finite and above zero has no place on such axes: it is named below the picture, and not drawn.

    Raises:
        UsageError: the picture cannot be written, or the extra is missing.
    """
    drawn = [roof for roof in roofs if _has_place(roof.bandwidth_gb_s, roof.tflops)]
    low, high = _range(drawn, points)
    notes = [f"{label(roof.label)}: not drawn, bandwidth or peak is not known" for roof in roofs if roof not in drawn]

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log", xlim=(low, high), title=label(title))
        axes.set(xlabel="arithmetic intensity, FLOP/byte", ylabel="rate, TFLOP/s")
        for number, roof in enumerate(drawn):
            _paint_roof(axes, number, roof, low, high)
        for number, point in enumerate(points, 1):
            turn = sum(_are_close(point, earlier) for earlier in points[: number - 1])
            _paint_point(axes, number, point, turn)
        for note in notes:
            axes.plot([], [], linestyle="none", label=note)
        axes.grid(visible=True, which="major", color="0.85", linewidth=0.5)
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
        if roofs or points:
            figure.legend(loc="outside lower left", frameon=False, fontsize=8, handlelength=4)

    draw(path, 7.5, 5.0 + 0.18 * (len(roofs) + len(points)), paint)


def _has_place(*values: float) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def _range(roofs: Sequence[Roof], points: Sequence[Point]) -> tuple[float, float]:
    """Return the intensities that the picture spans: every ridge and point, with a margin."""
    placed = [p.intensity_flop_per_byte for p in points if _has_place(p.intensity_flop_per_byte, p.tflops)]
    at = [*placed, *(roof.ridge for roof in roofs)] or [1.0]
    return min(0.5, min(at) / 3), max(at) * 10


def _paint_roof(axes: Any, number: int, roof: Roof, low: float, high: float) -> None:
    style, grey = _STYLES[number % len(_STYLES)], _GREYS[number % len(_GREYS)]
    at = [low, roof.ridge, high]
    how = "measured" if roof.measured else "published"
    said = f"{figure_text(roof.bandwidth_gb_s)} GB/s, {figure_text(roof.tflops)} TFLOP/s"
    axes.plot(
        at,
        [roof.at(each) for each in at],
        linestyle=style,
        color=grey,
        linewidth=1.2 if roof.measured else 2.0,
        label=f"{label(roof.label)}, {how}: {said}",
    )


def _are_close(one: Point, other: Point) -> bool:
    """Whether the numbers of two points would stand on one another; in decades."""
    pairs = ((one.intensity_flop_per_byte, other.intensity_flop_per_byte), (one.tflops, other.tflops))
    return all(_has_place(*pair) and abs(math.log10(pair[0] / pair[1])) < _CLOSE for pair in pairs)


def _paint_point(axes: Any, number: int, point: Point, turn: int) -> None:
    x, y = point.intensity_flop_per_byte, point.tflops
    placed = _has_place(x, y)
    shape, filling = _marker(point) if placed else ("none", "white")
    axes.plot(
        [x] if placed else [],
        [y] if placed else [],
        linestyle="none",
        marker=shape,
        markersize=8,
        markerfacecolor=filling,
        markeredgecolor="black",
        zorder=3,
        label=_listed(number, point),
    )
    if placed:
        beside = _TURNS[turn % len(_TURNS)]
        white = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        axes.annotate(str(number), (x, y), beside, textcoords="offset points", fontsize=8, zorder=2.5, bbox=white)


def _marker(point: Point) -> tuple[str, str]:
    return _MARKERS["measured"] if point.kind == "measured" else _MARKERS.get(point.verdict or "", _UNJUDGED)


def _listed(number: int, point: Point) -> str:
    """Say what the point of that number is."""
    what = "measured" if point.kind == "measured" else f"claim, {label(point.verdict or 'not judged')}"
    x, y = point.intensity_flop_per_byte, point.tflops
    if not _has_place(x, y):
        return f"{number}  {label(point.label)} ({what}): not drawn, its rate or intensity is not known"
    return f"{number}  {label(point.label)} ({what}): {figure_text(y)} TFLOP/s at {figure_text(x)} FLOP/byte"
