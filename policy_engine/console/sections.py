"""Titled parts of an answer (`browsing.section`), as the commands have them, for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from policy_engine.browsing.section import MARKS, Section
from policy_engine.console.cells import Cell, Lines, Table, columns

_KINDS = {">": ">", "=": "=", "~": "~"}


def shown(sections: Sequence[Section], linked: Callable[[str], Cell] = str) -> list[dict[str, Any]]:
    """Return the parts for `sections.html`; `linked` makes of a table's cell what stands there."""
    return [_shown(section, number, linked) for number, section in enumerate(sections)]


def _shown(section: Section, number: int, linked: Callable[[str], Cell]) -> dict[str, Any]:
    title = section.title or ("to note" if section.lines else "")
    return {
        "id": f"part-{number}",
        "title": f"{title[:1].upper()}{title[1:]}",
        "lines": section.lines,
        "pairs": section.pairs,
        "table": _table(section, number, linked) if section.header else None,
        "block": section.block,
    }


def _table(section: Section, number: int, linked: Callable[[str], Cell]) -> Table:
    heads = [f"{_KINDS.get(each[:1], '')}{each.lstrip(MARKS)}" for each in section.header]
    rows = [[_cell(each, linked) for each in row] for row in section.rows]
    # the box around a table is called by its caption, and no two landmarks of a page are called the same
    caption = f"{section.title}: the table" if section.title else f"Table {number + 1}"
    return Table(caption, columns(*heads), rows, "Nothing.", hidden_caption=True)


def _cell(text: str, linked: Callable[[str], Cell]) -> Cell:
    lines = text.split("\n")
    return linked(text) if len(lines) == 1 else Lines(tuple(lines))
