"""The pictures of costs: every line and part is named, nothing hangs on colour alone, names stand apart."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from msgspec.structs import replace

from policy_engine.plots import cost_options, cost_volume
from policy_engine.plots.cost_options import Bar, draw_cost_options
from policy_engine.plots.cost_volume import STYLES, Line, Meeting, Panel, draw_cost_volume

AT = cost_volume.volumes([1e6, 1e9])


def rising(option: str, price: float, main: bool = True) -> Line:
    cost = tuple(price * volume / 1e6 for volume in AT)
    return Line(f"{option} a model", option, AT, tuple(0.5 * each for each in cost), cost, cost, main)


LINES = (*(rising(option, 1 + 0.001 * place) for place, option in enumerate(STYLES)), rising("open_api", 2, False))
PANEL = Panel("", LINES, (Meeting(1e7, 20, "a against b", "10 M"),), 1e8, "this workload: 100 M", (("c", "never"),))
BARS = [
    Bar("open_api\nm", {"tokens": 10.0}, 10, 10, "10"),
    Bar("self_hosted\nm", dict.fromkeys(("machines", "power_and_space", "engineers", "operations"), 5.0), 9, 50, "20"),
]


def words(path: Path) -> list[str]:
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_volumes_are_a_decade_around_all_marks_and_rise() -> None:
    assert AT[0] <= 1e6 / 3
    assert AT[-1] >= 1e9 * 3
    assert list(AT) == sorted(set(AT))
    assert len(cost_volume.volumes([0.0])) == len(AT)


def test_every_line_and_meeting_is_named(tmp_path: Path) -> None:
    draw_cost_volume(tmp_path / "a.svg", "a workload", [PANEL])
    found = words(tmp_path / "a.svg")
    assert {line.name for line in LINES} <= set(found)
    assert {"a workload: cost against volume, low to high", "this workload: 100 M", "USD/month", "1"} <= set(found)
    assert {"tokens/month", "1  a against b: 10 M", "c: never"} <= {part for each in found for part in each.split("\n")}


def test_the_words_of_a_volume_past_the_middle_stay_within_the_picture(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    for volume in (1e6, 9e8, 1e9):
        figure = Figure(figsize=(9, 5))
        axes = figure.add_subplot()
        cost_volume._paint(axes, replace(PANEL, volume=volume, volume_says="this workload: 9,000 tn tokens/month"))
        figure.canvas.draw()
        (said,) = (each for each in axes.texts if each.get_text().startswith("this workload"))
        box, picture = said.get_window_extent(), axes.get_window_extent()
        assert picture.x0 <= box.x0 < box.x1 <= picture.x1


def test_a_long_name_is_cut_and_the_words_after_it_are_not(tmp_path: Path) -> None:
    draw_cost_volume(tmp_path / "a.svg", "n" * 100, [PANEL])
    draw_cost_options(tmp_path / "b.svg", "n" * 100, [*BARS, Bar("all on edge", {}, 0, 0, "unknown")])
    assert any(each.endswith("n…: cost against volume, low to high") for each in words(tmp_path / "a.svg"))
    found = words(tmp_path / "b.svg")
    assert any(each.endswith("n…: cost a month, by parts") for each in found)
    assert {"all on edge", "unknown"} <= set(found)


def test_names_stand_apart_however_close_the_lines_end() -> None:
    places = cost_volume._apart([0.5, 0.5, 0.501, 0.97, 0.99, 1.0])
    assert all(after - before >= 0.0649 for before, after in itertools.pairwise(places))
    assert max(places) <= 1.0


def test_lines_and_parts_are_told_apart_without_colour() -> None:
    assert len({(str(style), width) for _, style, width in STYLES.values()}) == len(STYLES)

    def grey(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    looks = {(round(grey(colour) / 20), hatch) for _, colour, hatch in cost_options.PARTS}
    assert len(looks) == len(cost_options.PARTS)


def test_every_bar_and_part_is_named(tmp_path: Path) -> None:
    draw_cost_options(tmp_path / "a.svg", "a workload", BARS)
    found = {part for each in words(tmp_path / "a.svg") for part in each.split("\n")}
    assert {"open_api", "self_hosted", "10", "20", "tokens", "machines", "power and space", "engineers"} <= found


def test_what_is_unknown_has_no_bar_that_looks_like_a_small_cost(tmp_path: Path) -> None:
    draw_cost_options(tmp_path / "a.svg", "a workload", [BARS[0], Bar("all on edge", {}, 0, 0, "unknown")])
    draw_cost_options(tmp_path / "b.svg", "a workload", [BARS[0]])
    drawn = [(tmp_path / f"{name}.svg").read_text(encoding="utf-8").count("stroke-width: 0.7") for name in "ab"]
    assert drawn[0] == drawn[1] > 0


def test_the_same_costs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_cost_options(tmp_path / f"{name}.png", "$hostile$ <title>", BARS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
