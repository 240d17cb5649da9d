"""Reports made of titled sections, each of lines or of a table: one description, rendered as text or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from policy_engine.browsing.section import MARKS, Section
from policy_engine.cli.output import Writer, to_json, to_yaml
from policy_engine.cli.printable import printable

__all__ = ["FORMATS", "MARKS", "Section", "as_markdown", "as_text", "report_writers"]
FORMATS = ("text", "json", "yaml", "markdown")


def report_writers(value: Callable[[], Any], sections: Callable[[], Sequence[Section]]) -> Mapping[str, Writer]:
    """Return a writer for each of `FORMATS`: `value` gives the JSON value, `sections` what people read."""
    return {
        "text": lambda stream: as_text(sections(), stream),
        "json": lambda stream: to_json(value()),
        "yaml": lambda stream: to_yaml(value()),
        "markdown": lambda stream: as_markdown(sections()),
    }


def as_text(sections: Sequence[Section], stream: IO[str]) -> str:
    """Render for a terminal or a pipe."""
    from policy_engine.cli.text import render

    return "\n".join(render(_renderable(section), stream).rstrip("\n") for section in sections) + "\n"


def as_markdown(sections: Sequence[Section]) -> str:
    """Render as Markdown; everything that a record says is escaped."""
    from policy_engine.markdown_text import escape

    lines: list[str] = []
    for section in sections:
        if section.title:
            lines += [f"### {escape(section.title)}", ""]
        lines += [f"- {escape(name)}: {escape(value)}" for name, value in section.pairs]
        lines += [f"- {escape(line)}" for line in section.lines]
        if section.rows and (section.pairs or section.lines):
            lines.append("")  # a table right behind a list would belong to its last line
        if section.rows:
            lines += [_row(escape(name.lstrip(MARKS)) for name in section.header)]
            lines += [_row("---:" if name.startswith(">") else "---" for name in section.header)]
            lines += [_row(map(escape, row)) for row in section.rows]
        if section.block:
            fence = "`" * (3 + max(map(len, re.findall("`+", section.block)), default=0))
            lines += [fence, *map(printable, section.block.rstrip("\n").split("\n")), fence]
        lines.append("")
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def _renderable(section: Section) -> Any:
    from rich.console import Group
    from rich.text import Text

    from policy_engine.cli.hanging import Hanging
    from policy_engine.cli.table import Table

    parts: list[Any] = [Text(printable(section.title), "bold")] if section.title else []
    indent = 2 if section.title else 0
    width = max((len(name) for name, _ in section.pairs), default=0)
    for name, value in section.pairs:
        label = Text(f"{'':{indent}}{name:<{width}} ")
        label.stylize("bold")
        parts.append(Hanging(label, printable(value)))
    parts += [Hanging(Text(f"{'':{indent}}- "), printable(line)) for line in section.lines]
    if section.rows:
        header, *rows = ([printable(cell) for cell in row] for row in (section.header, *section.rows))
        parts.append(Table(header, rows))
    if section.block:
        parts += [
            Text(printable(each), no_wrap=True, overflow="ignore") for each in section.block.rstrip("\n").split("\n")
        ]
    return Group(*parts)
