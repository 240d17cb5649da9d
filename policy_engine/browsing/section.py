"""A titled part of an answer, as plain data: terminals, Markdown and the console each show it in their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MARKS = ">=~"


@dataclass(frozen=True)
class Section:
    """A titled part of a report: `lines` are shown as a list, `pairs` by name, `rows` as a table under `header`.

    A column of `header` that starts with `>` is aligned to the right, and neither it nor one with `=` is wrapped; one
    with `~` stands below its row where the terminal is too narrow for all columns. `block` is text to be copied, and
    stands as it is, below all else.
    """

    title: str = ""
    lines: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    block: str = ""
