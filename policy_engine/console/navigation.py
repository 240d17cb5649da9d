"""The console's sections and pages, as its menu lists them."""

from __future__ import annotations

from msgspec import Struct


class Entry(Struct, frozen=True):
    """A page of the menu; whoever lacks `role` is not offered it."""

    title: str
    path: str
    role: str = "read"


class Section(Struct, frozen=True):
    """Pages that belong together."""

    title: str
    entries: tuple[Entry, ...]


SECTIONS = (
    Section(
        "Decisions",
        (
            Entry("Overview", "/"),
            Entry("Decisions", "/decisions"),
            Entry("Workloads", "/workloads"),
            Entry("Evaluate a draft", "/evaluate", "decide"),
        ),
    ),
)
