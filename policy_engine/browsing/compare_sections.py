"""The answer of `policy catalog compare`, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.browsing.compare_value import Compared
from policy_engine.browsing.comparison import Cell, Line, Stated
from policy_engine.browsing.fields import KINDS, gap
from policy_engine.browsing.section import Section
from policy_engine.browsing.side_by_side import SideBySide
from policy_engine.browsing.stated import price_text

_STATES = {"unknown": "not known", "none": "none"}


def as_sections(shown: Compared) -> list[Section]:
    """Return what people read: a table for each group of figures, with a column for each model, and the sources."""
    asked, sources = shown.side_by_side, _Sources()
    sections = list(_groups(asked.lines, asked.names, sources)) if asked.models else []
    sections += _groups(shown.fields, KINDS, sources)
    if terms := [*_terms(asked)]:
        sections.append(Section(title="Terms of the licences", lines=terms))
    sections.append(Section(title="Sources", pairs=sources.pairs))
    return [*sections, Section(title="To note", lines=list(_notes(shown)))]


class _Sources:
    """The sources of figures, each with a letter by which cells name it."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, found: Stated) -> str:
        """Return the mark of who states a figure on which day."""
        said = f"{found.source}, {found.as_of}{', stale' if found.stale else ''}"
        return self._marks.setdefault(said, f"[{_letters(len(self._marks))}]")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(mark, said) for said, mark in self._marks.items()]


def _letters(number: int) -> str:
    """Return a, b, ... z, aa, ab, ..."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("a") + last)


def _groups(lines: Sequence[Line], names: Sequence[str], sources: _Sources) -> Iterator[Section]:
    for group in dict.fromkeys(line.group for line in lines):
        own = [line for line in lines if line.group == group]
        noted = any(line.note for line in own)
        rows = [_row(line, noted, sources) for line in own]
        header = ("Figure", *names, *(("~To note",) if noted else ()))
        yield Section(title=group, header=header, rows=rows)


def _row(line: Line, noted: bool, sources: _Sources) -> tuple[str, ...]:
    name = f"{line.name}, {line.unit}" if line.unit and line.unit not in line.group else line.name
    cells = [_cell(line, cell, at in line.best, sources) for at, cell in enumerate(line.cells)]
    return (name, *cells, *((line.note,) if noted else ()))


def _cell(line: Line, cell: Cell, best: bool, sources: _Sources) -> str:
    if cell.state != "known":
        return cell.text or _STATES[cell.state]
    mark = f" {sources.mark(cell.stated)}" if cell.stated else ""
    parts = [cell.text] if cell.text else []
    if cell.value is not None:
        ends = (cell.value,) if None in (cell.low, cell.high) else (cell.low, cell.high)
        texts = dict.fromkeys(amount_text(cell, line.unit, each) for each in ends if each is not None)
        said = f"{' to '.join(texts)}{' or more' if cell.at_least else ''}"
        parts.insert(0, f"{said}{' best' if best else ''}{mark}")
    elif mark:
        parts += [mark.strip()]
    if cell.others:
        said = "; ".join(
            f"{amount_text(cell, line.unit, each.value)} {sources.mark(each.stated)}" for each in cell.others
        )
        parts.append(f"else {said}")
    stated = [cell.stated, *(each.stated for each in cell.others)]
    named = dict.fromkeys(name for each in stated if each for name in each.disputes)
    return "\n".join([*parts, *named])


def amount_text(cell: Cell, unit: str, value: float) -> str:
    """Write a figure: money with cents, what is worked out with one digit, what is stated with those of the source."""
    if unit.startswith("USD"):
        return price_text(value)
    if cell.stated is None:
        return f"{value:,.1f}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"


def _terms(asked: SideBySide) -> Iterator[str]:
    licences = {each.licence.key: each.licence for each in asked.sheets if each.licence is not None}
    for key, licence in licences.items():
        if licence.terms:
            yield f"{key} ({licence.source}, {licence.as_of}): {licence.terms}"


def _notes(shown: Compared) -> Iterator[str]:
    asked = shown.side_by_side
    yield (
        f"as of {asked.day}; best is marked where the figure of each is known, and they are not all the same; else is"
        " what another source says, which does not count"
    )
    for line in shown.fields:
        found = gap(line)
        if found:
            unit = "percentage points" if line.unit == "percent" else line.unit
            word = "more" if found > 0 else "less"
            yield f"{line.name}: {abs(round(found, 6)):,g} {unit} {word} with closed models than with open ones"
    if asked.device is not None:
        cache = "" if asked.device.load.context_tokens else ", and without a cache"
        yield (
            f"a decode ceiling is what no stack exceeds for one request on so many {asked.device.gpu.key}, without"
            f" speculative decoding{cache}"
        )
