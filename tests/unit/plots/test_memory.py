"""The bars of memory: every part and limit is there, named, and to scale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy_engine.errors import UsageError
from policy_engine.plots.memory import Bar, draw_memory

GIB = 1024.0**3
BARS = [
    Bar("card, 2 GPUs", 65 * GIB, 2 * GIB, 4 * GIB, 71 * GIB, 79 * GIB, True),
    Bar("small, 2 GPUs", 65 * GIB, None, 4 * GIB, 36 * GIB, 40 * GIB, False),
    Bar("open, 2 GPUs", 65 * GIB, None, 4 * GIB, 71 * GIB, 79 * GIB, None),
]


def words(path: Path) -> list[str]:
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_every_bar_is_named_and_says_what_it_holds(tmp_path: Path) -> None:
    draw_memory(tmp_path / "a.svg", "a model", BARS)
    assert {
        "a model",
        "card, 2 GPUs",
        "71.0 of 71.0 GiB",
        "at least 69.0 of 36.0 GiB: does not fit",
        "at least 69.0 of 71.0 GiB",
        "weights",
        "cache",
        "overhead",
        "usable",
        "all of its memory",
    } <= set(words(tmp_path / "a.svg"))


def test_parts_are_told_apart_without_colour(tmp_path: Path) -> None:
    draw_memory(tmp_path / "a.svg", "a model", BARS)
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert len(set(re.findall(r"fill: url\(#(h[0-9a-f]+)\)", text))) == 2
    for colour in re.findall(r"#[0-9a-f]{6}\b", text):
        assert len({colour[1:3], colour[3:5], colour[5:7]}) == 1, colour


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_bars_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    places = [tmp_path / f"{number}.{ending}" for number in range(2)]
    for place in places:
        draw_memory(place, "a model", BARS)
    assert places[0].read_bytes() == places[1].read_bytes()


def test_one_bar_and_many(tmp_path: Path) -> None:
    for number in (1, 60):
        draw_memory(tmp_path / "a.png", "a model", BARS[:1] * number)


def test_a_place_for_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not end"):
        draw_memory(tmp_path / "a.txt", "a model", BARS)
