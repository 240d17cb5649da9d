"""Where a picture may go, what it takes the place of, and that it depends on nothing but what is drawn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from policy_engine.errors import UsageError
from policy_engine.plots.canvas import check_picture, figure_text, label
from policy_engine.plots.roofline import Point, Roof, draw_roofline

ROOFS = [Roof("card", 2039, 312, False), Roof("host", 1700, 255, True)]
POINTS = [Point("copy", 1, 1.9, "claim", "verified"), Point("product", 2048, 500, "claim", "contradicted")]


def draw(path: Path, title: str = "Roofline") -> bytes:
    draw_roofline(path, title, ROOFS, POINTS)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.svg", "a.png", "A.SVG", "A.Png"])
def test_the_ending_decides(tmp_path: Path, name: str) -> None:
    content = draw(tmp_path / name)
    if name.lower().endswith("png"):
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
    else:
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own


@pytest.mark.parametrize("name", ["a.pdf", "a", "svg", ".svg", "a.svg.txt", "a.jpg"])
def test_any_other_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as error:
        check_picture(tmp_path / name)
    assert error.value.code == "unknown-picture"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"x" * 80, b"notes", b"<html></html>", b"PRIVATE+KEY+x"])
@pytest.mark.parametrize("linked", [False, True])
def test_nothing_but_a_picture_is_overwritten(tmp_path: Path, content: bytes, linked: bool) -> None:
    place = tmp_path / ("precious" if linked else "out.svg")
    place.write_bytes(content)
    if linked:
        (tmp_path / "out.svg").symlink_to(place)
    with pytest.raises(UsageError) as error:
        draw_roofline(tmp_path / "out.svg", "title", ROOFS, POINTS)
    assert error.value.code == "cannot-write"
    assert "no picture" in str(error.value)
    assert place.read_bytes() == content


@pytest.mark.parametrize("before", ["a.svg", "a.png", "empty"])
def test_a_picture_or_an_empty_file_is_overwritten(tmp_path: Path, before: str) -> None:
    if before == "empty":
        (tmp_path / "empty").write_bytes(b"")
    else:
        draw(tmp_path / before)
    place = tmp_path / "out.svg"
    (tmp_path / before).rename(place)
    place.chmod(0o640)
    assert b"<svg" in draw(place)
    assert place.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["out.svg"]


def test_an_svg_by_another_program_is_a_picture(tmp_path: Path) -> None:
    for number, start in enumerate((b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\n<?xml version='1.0'?>\n<svg/>")):
        place = tmp_path / f"{number}.svg"
        place.write_bytes(start)
        draw(place)


def test_a_pipe_is_neither_waited_for_nor_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.svg")
    with pytest.raises(UsageError, match="no picture"):
        check_picture(tmp_path / "out.svg")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        check_picture(tmp_path / "none" / "out.svg")
    (tmp_path / "out.svg").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        check_picture(tmp_path / "out.svg")


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as error:
        check_picture(tmp_path / "out.svg")
    assert (error.value.code, error.value.help) == ("extra-missing", "pip install 'policy-engine[plot]'")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, ending: str) -> None:
    content = draw(tmp_path / f"a.{ending}")
    assert content == draw(tmp_path / f"b.{ending}")
    assert content != draw(tmp_path / f"c.{ending}", "Another")
    assert not re.search(rb"20\d\d-\d\d-\d\d|matplotlib.org", content)


def test_the_users_settings_and_display_change_nothing(tmp_path: Path) -> None:
    """Another process, with a style, a backend and a seed of hashes of its own."""
    expected = draw(tmp_path / "here.svg")
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 30\nlines.linewidth: 9\naxes.facecolor: red\nsvg.fonttype: none\n"
    )
    code = (
        "from pathlib import Path; from policy_engine.plots.roofline import *;"
        "R=[Roof('card', 2039, 312, False), Roof('host', 1700, 255, True)];"
        "P=[Point('copy', 1, 1.9, 'claim', 'verified'), Point('product', 2048, 500, 'claim', 'contradicted')];"
        "draw_roofline(Path('there.svg'), 'Roofline', R, P)"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    settings = {"MPLBACKEND": "TkAgg", "MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**kept, **settings}, check=True)
    assert (tmp_path / "there.svg").read_bytes() == expected


def test_a_backend_that_does_not_exist_is_an_error_with_a_help(tmp_path: Path) -> None:
    code = "from pathlib import Path; from policy_engine.plots.canvas import *; check_picture(Path('a.svg'))"
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "UsageError: matplotlib does not start" in done.stderr


@pytest.mark.parametrize("name", ["$x^{2$", "a\nb\x00\x1b[31m", "名前 \u202e", "<b>&--></b>", "x" * 500, "", "\ud800"])
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    place = tmp_path / "a.svg"
    draw_roofline(place, name, [Roof(name, 10, 1, True)], [Point(name, 1, 0.01, "claim", name)])
    ET.fromstring(place.read_bytes())  # noqa: S314 - our own


def test_what_stands_in_a_picture() -> None:
    assert label("a\n b\x1b") == "a b\\x1b"
    assert len(label("x" * 500)) == 64
    assert [figure_text(value) for value in (0.01234, 9.876, 312, 2039, 123456.7)] == [
        "0.0123",
        "9.88",
        "312",
        "2,039",
        "123,457",
    ]


def test_the_library_is_imported_only_when_something_is_drawn() -> None:
    code = (
        "import sys, policy_engine.plots.roofline, policy_engine.plots.canvas; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
