"""A Gantt chart: bars over days from a date, in rows; the fillings tell apart what lies beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.plots.canvas import draw, label

_FILLINGS = ("0.75", "white")
#: The part of the width that a character takes, and the room beside a text.
_CHARACTER, _ROOM = 0.0075, 0.003


class Piece(Struct, frozen=True):
    """A part of a row, in days from the start; `text` stands in it."""

    text: str
    first_day: float
    last_day: float


class Row(Struct, frozen=True):
    """A row of the chart."""

    label: str
    pieces: Sequence[Piece]


def draw_gantt(path: Path, title: str, start: date, rows: Sequence[Row], marks: Sequence[float]) -> None:
    """Draw a row for each of `rows` to `path`, by its ending as SVG or PNG; `marks` are the days that are named.

    Raises:
        UsageError: the picture cannot be written, or the extra is missing.
    """
    end = max((piece.last_day for row in rows for piece in row.pieces), default=1.0)

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            for number, piece in enumerate(row.pieces):
                _paint(axes, place, number, piece, end)
        axes.set_yticks(list(range(len(rows))), [label(row.label) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, end)
        axes.set_xticks(list(marks), [f"week {day / 7 + 1:g}\n{start + timedelta(days=int(day))}" for day in marks])
        axes.grid(visible=True, axis="x", color="0.85", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set(title=label(title))

    draw(path, 9.0, 1.4 + 0.36 * max(1, len(rows)), paint)


def _paint(axes: Any, place: int, number: int, piece: Piece, end: float) -> None:
    width, filling = piece.last_day - piece.first_day, _FILLINGS[number % len(_FILLINGS)]
    axes.barh(place, width, left=piece.first_day, height=0.6, color=filling, edgecolor="black", linewidth=0.8)
    if width >= (_CHARACTER * len(piece.text) + _ROOM) * end:
        axes.text(piece.first_day + width / 2, place, label(piece.text), ha="center", va="center", fontsize=7)
