"""The example workloads that a draft can start from: in the package, else in the checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from msgspec import Struct

#: Which of the examples, and what they are in a line.
_NAMES = {
    "writing-assistant": "A start-up's writing assistant",
    "support-tickets": "Millions of support tickets on own hardware",
    "hospital": "A hospital whose data may not leave the network",
    "leaking-fallback": "A fallback that leaks",
    "support-chat-and-documents": "Two tasks: a customer chat and internal documents",
}


class Example(Struct, frozen=True):
    """An example: its name in an address, what it is, and the file's text."""

    name: str
    title: str
    text: str


@cache
def examples() -> tuple[Example, ...]:
    """Return the examples; none where this installation holds none."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_examples", package.parent / "examples"):
        if all((folder / f"{name}.yaml").is_file() for name in _NAMES):
            read = {name: (folder / f"{name}.yaml").read_text("utf-8") for name in _NAMES}
            return tuple(Example(name, title, read[name]) for name, title in _NAMES.items())
    return ()
