"""The differences between models: each is named, with its verdict, and the margin is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy_engine.plots.parity import Bar, draw_parity
from tests.unit.plots.test_memory import words

BARS = [Bar("triage: one", 0.01, -0.01, 0.03, "equivalent"), Bar("triage: two", -0.2, -0.3, -0.1, "too few examples")]


def test_every_candidate_is_named_with_its_verdict(tmp_path: Path) -> None:
    draw_parity(tmp_path / "a.svg", "Parity with $x$ & <b>", BARS, 0.02)
    found = set(words(tmp_path / "a.svg"))
    assert {"triage: one", "triage: two", "equivalent", "too few examples", "margin of 0.02", "difference"} <= found
    assert "as a share of 1" in " ".join(found)


def test_of_many_some_are_drawn_and_the_others_counted(tmp_path: Path) -> None:
    draw_parity(tmp_path / "a.svg", "Parity", [BARS[0]] * 101, 0.02)
    found = words(tmp_path / "a.svg")
    assert found.count("triage: one") == 100
    assert "1 more are not drawn" in " ".join(found)


def test_long_names_take_no_room_from_what_is_drawn(tmp_path: Path) -> None:
    """In points, 72 to an inch: a name of 64 characters takes some 5 inches."""
    widths = []
    for name in ("short", "n" * 64):
        draw_parity(tmp_path / "a.svg", "Parity", [Bar(name, 0.01, -0.01, 0.03, "equivalent")], 0.02)
        found = re.search(r'<svg[^>]* width="([0-9.]+)pt"', (tmp_path / "a.svg").read_text(encoding="utf-8"))
        assert found is not None
        widths.append(float(found[1]))
    assert widths[0] == 576
    assert widths[1] >= 6 * 72 + 64 * 0.07 * 72


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_differences_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    places = [tmp_path / f"{number}.{ending}" for number in range(2)]
    for place in places:
        draw_parity(place, "Parity", BARS, 0.02)
    assert places[0].read_bytes() == places[1].read_bytes()
