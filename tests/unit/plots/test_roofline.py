"""The roofline: where roofs bend, and that everything that was given stands in the picture or is named below it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from policy_engine.plots.roofline import Point, Roof, draw_roofline

CARD = Roof("card", 2039, 312, False)


def words(path: Path) -> list[str]:
    """Every text of an SVG: matplotlib names each in a comment."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_a_roof_rises_with_bandwidth_to_the_peak() -> None:
    assert CARD.ridge == pytest.approx(153.02, abs=0.01)
    assert CARD.at(1) == pytest.approx(2.039)
    assert CARD.at(CARD.ridge) == pytest.approx(312)
    assert CARD.at(1e6) == 312


def test_every_roof_and_point_is_named_with_its_figures(tmp_path: Path) -> None:
    points = [
        Point("memory bandwidth", 1, 1.9, "claim", "verified"),
        Point("bf16 product", 2048, 260, "measured", None),
        Point("bf16 arithmetic", 2048, 500, "claim", "contradicted"),
        Point("decoding", 1, 1.1, "claim", "unverifiable"),
        Point("other", 30, 10, "claim", None),
    ]
    draw_roofline(tmp_path / "a.svg", "Of a host", [CARD, Roof("host", 1700, 255, True)], points)
    found = words(tmp_path / "a.svg")
    assert {
        "Of a host",
        "card, published: 2,039 GB/s, 312 TFLOP/s",
        "host, measured: 1,700 GB/s, 255 TFLOP/s",
        "1  memory bandwidth (claim, verified): 1.9 TFLOP/s at 1 FLOP/byte",
        "2  bf16 product (measured): 260 TFLOP/s at 2,048 FLOP/byte",
        "3  bf16 arithmetic (claim, contradicted): 500 TFLOP/s at 2,048 FLOP/byte",
        "4  decoding (claim, unverifiable): 1.1 TFLOP/s at 1 FLOP/byte",
        "5  other (claim, not judged): 10 TFLOP/s at 30 FLOP/byte",
    } <= set(found)
    assert {"1", "2", "3", "4", "5"} <= set(found)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_what_has_no_place_is_named_and_not_drawn(tmp_path: Path, value: float) -> None:
    points = [Point("rate", 1, value, "claim", "verified"), Point("at", value, 1, "measured", None)]
    roofs = [Roof("bandwidth", value, 312, False), Roof("peak", 2039, value, True), CARD]
    draw_roofline(tmp_path / "a.svg", "Odd", roofs, points)
    found = words(tmp_path / "a.svg")
    assert [each for each in found if "not drawn" in each] == [
        "1  rate (claim, verified): not drawn, its rate or intensity is not known",
        "2  at (measured): not drawn, its rate or intensity is not known",
        "bandwidth: not drawn, bandwidth or peak is not known",
        "peak: not drawn, bandwidth or peak is not known",
    ]


def test_shapes_tell_verdicts_apart_without_colour(tmp_path: Path) -> None:
    """Each verdict moves the pen otherwise, and only grey is used."""
    drawn = {}
    for verdict in ("verified", "contradicted", "unverifiable", None):
        path = tmp_path / f"{verdict}.svg"
        draw_roofline(path, "t", [CARD], [Point("p", 1, 1, "claim", verdict)])
        text = path.read_text(encoding="utf-8")
        marks = re.findall(r'<path id="m[0-9a-f]+" d="([^"]+)" style="([^"]*)"', text)
        drawn[verdict] = marks[-1]
        for colour in re.findall(r"#[0-9a-f]{6}", text):
            assert len({colour[1:3], colour[3:5], colour[5:7]}) == 1, colour
    assert len({shape for shape, _ in drawn.values()}) == 4


def test_nothing_to_draw_is_an_empty_picture(tmp_path: Path) -> None:
    draw_roofline(tmp_path / "a.png", "Nothing", [], [])
    assert (tmp_path / "a.png").stat().st_size > 1000
