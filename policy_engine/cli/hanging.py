"""Words beside a label, wrapped under themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

_BELOW = 4  # the margin of words that do not fit beside their label
_COMMAND = re.compile(r"`policy [^`\n]*`")
_BLANK = "\ue000"  # as wide as a blank; for private use, so that `printable` lets none through


@dataclass(frozen=True)
class Hanging:
    """Words beside a label, wrapped between words alone: a place, an id or a key can be copied whole, however long.

    Where a word is too long to stand beside the label, and the label wider than `below`, the words stand below it.
    """

    label: Text
    words: str
    below: int = _BELOW

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        if not self.words:
            yield self.label
            return
        # a command that is shown is one word: it is there to be copied
        words = _COMMAND.sub(lambda found: found[0].replace(" ", _BLANK), self.words)
        indent, longest = self.label.cell_len, max((cell_len(word) for word in words.split()), default=0)
        below = indent > self.below and longest > options.max_width - indent
        if below:
            yield self.label
            indent = self.below
        for number, line in enumerate(wrapped(words, options.max_width - indent)):
            text = Text(" " * indent) if number or below else self.label.copy()
            text.append(line.replace(_BLANK, " "))
            text.no_wrap, text.overflow = True, "ignore"
            yield text


def wrapped(words: str, width: int) -> Iterator[str]:
    """Yield the lines of `words`, each at most `width` cells wide but for a word that is wider.

    Neither rich, which cuts such a word, nor textwrap, which counts characters where a terminal has cells, does this.
    """
    for paragraph in words.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            if line and cell_len(line) + 1 + cell_len(word) > width:
                yield line
                line = word
            else:
                line = f"{line} {word}" if line else word
        yield line
