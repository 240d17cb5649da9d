"""The parts that pages are made of: addresses, cells, charts, forms, templates."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.console import waivers
from policy_engine.console.cells import columns, linked
from policy_engine.console.charts import stacked_bars
from policy_engine.console.examples import examples
from policy_engine.console.forms import Field, filled, sentence
from policy_engine.console.templates import FOLDER, render
from policy_engine.console.urls import local, url
from policy_engine.ways_wording import on_server, request_text
from tests.pages import Parsed

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(_TEXT.filter(bool), _TEXT.filter(bool), _TEXT)
def test_an_address_gives_back_the_names_that_it_was_made_of(namespace: str, name: str, value: str) -> None:
    parts = urlsplit(url("/workloads", namespace, name, cursor=value))
    assert (parts.scheme, parts.netloc) == ("", "")
    assert [unquote(each) for each in parts.path.split("/")] == ["", "workloads", namespace, name]
    assert parse_qs(parts.query, keep_blank_values=True).get("cursor", [""]) == [value]


@given(st.one_of(_TEXT, _TEXT.map("/{}".format), _TEXT.map("//{}".format), _TEXT.map("/\\{}".format)))
def test_nobody_is_led_elsewhere(target: str) -> None:
    """As a browser reads it: it drops tabs and line breaks, and takes a backslash for a slash."""
    found = local(target)
    read = found.translate({ord(each): None for each in "\t\r\n"}).replace("\\", "/")
    assert read.startswith("/")
    assert not read.startswith("//")
    assert found in (target, "/")


@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=1, max_size=60))
def test_a_bar_is_as_tall_as_its_count(counts: list[tuple[int, ...]]) -> None:
    names = [f"day {number}" for number in range(len(counts))]
    chart = stacked_bars("Title", names, ("a", "b", "c", "d"), counts)
    top = int(chart.up[-1].text.replace(",", ""))
    assert top >= max(map(sum, counts))
    assert 2 <= len(chart.up) <= 6
    room = chart.base - chart.up[-1].at
    for name, row in zip(names, counts, strict=True):
        bars = [each for each in chart.bars if each.text.startswith(f"{name}:")]
        assert len(bars) == sum(bool(each) for each in row)
        assert sum(each.height for each in bars) == pytest.approx(room * sum(row) / top, abs=0.3)
        assert all(chart.left <= each.x and each.x + each.width <= chart.width for each in bars)
    for one, other in zip(chart.bars, chart.bars[1:], strict=False):
        if one.x == other.x:
            assert other.y + other.height == pytest.approx(one.y, abs=0.11), "one stands upon the other"


def test_what_a_page_lacks_is_an_error_and_never_nothing() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("problem.html", {"title": "x"})


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_a_template_leaves_escaping_on(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "autoescape" not in text
    assert "<script" not in text
    assert "style=" not in text
    safe = [line for line in text.split("\n") if "safe" in line]
    assert all("patternTransform" in line for line in safe), safe


@given(st.text(max_size=80))
def test_the_text_of_a_field_goes_back_as_it_came(text: str) -> None:
    field = Field("workload", "Workload", "area", value=text.encode("utf-8", "ignore").decode())
    macro = "{{ ui.field(f) }}"
    shown = _environment().from_string(macro).render(f=field)
    found = Parsed(f"<h1></h1>{shown}")
    assert not found.faults()
    inside = shown.partition("<textarea")[2].partition(">\n")[2].partition("</textarea>")[0]
    oracle = Parsed(f"<h1></h1><p>{inside}</p>").text
    assert oracle == field.value.replace("\x00", "\ufffd")


def test_columns_and_fields() -> None:
    assert [(each.heading, each.kind) for each in columns("A", ">B", "~C")] == [
        ("A", "text"),
        ("B", "number"),
        ("C", "wide"),
    ]
    fields = filled((Field("a", "A"), Field("b", "B", "checks", ())), [("a", "1"), ("b", "x"), ("b", "y"), ("c", "z")])
    assert [each.value for each in fields] == ["1", ("x", "y")]
    assert sentence("`x` is no date") == "`x` is no date."


def test_the_examples_are_there_and_are_workloads() -> None:
    assert len(examples()) == 5
    assert all("kind: Workload" in each.text for each in examples())


def _environment() -> jinja2.Environment:
    from policy_engine.console import templates

    return templates._environment()


def test_a_line_leads_to_the_page_that_asks_for_a_waiver_and_nowhere_else() -> None:
    with on_server(""):
        line = f"edge: would need an approved waiver of a: {request_text('a', 'edge', 'f' * 64)}"
    lead, link = linked(line)
    assert (lead, link.href) == (
        "edge: would need an approved waiver of a: ",
        f"/waiver-request?decision={'f' * 64}&rule=a&option=edge",
    )
    for other in ("`//elsewhere/waiver-request?a=b`", "`/waiver-request?a=<b>`", "/waiver-request?a=b", "`/logout`"):
        assert linked(other) == [other]


@pytest.mark.parametrize(
    ("status", "signatures", "elsewhere", "idle"),
    [
        ("active", "verified", False, False),
        ("active", None, False, False),
        ("active", "it has 0 of 1 approval", False, True),
        ("active", "it has 0 of 1 approval", True, False),
        ("file", "it has 0 of 1 approval", False, True),
        ("revoked", "it has 0 of 1 approval", False, False),
    ],
)
def test_a_waiver_whose_signatures_count_no_more_is_told_to_lift_nothing(
    status: str, signatures: str | None, elsewhere: bool, idle: bool
) -> None:
    row = {"status": status, "signatures": signatures, "elsewhere": elsewhere}
    assert waivers._idle(row) is idle
