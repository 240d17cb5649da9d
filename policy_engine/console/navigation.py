"""The console's sections and pages, as its menu lists them."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from policy_engine.access.routes import ADMINISTER, DECIDE, KNOWN, READ, WAIVERS


class Entry(Struct, frozen=True):
    """A page of the menu; whoever has none of `roles` is not offered it."""

    title: str
    path: str
    roles: tuple[str, ...] = READ


class Section(Struct, frozen=True):
    """Pages that belong together."""

    title: str
    entries: tuple[Entry, ...]

    def offered(self, roles: Collection[str]) -> list[Entry]:
        """Return the pages for whoever has these roles."""
        return [each for each in self.entries if set(each.roles) & set(roles)]


SECTIONS = (
    Section(
        "Decisions",
        (
            Entry("Overview", "/"),
            Entry("Decisions", "/decisions"),
            Entry("Workloads", "/workloads"),
            Entry("Evaluate a draft", "/evaluate", DECIDE),
        ),
    ),
    Section(
        "Policy",
        (
            Entry("Rules", "/rules", KNOWN),
            Entry("Waivers", "/waivers", WAIVERS),
            Entry("Ask for a waiver", "/waiver-request", DECIDE),
            Entry("Catalog", "/catalog", KNOWN),
            Entry("Disputes", "/disputes", KNOWN),
        ),
    ),
    Section(
        "Record",
        (
            Entry("Ledger", "/ledger"),
            Entry("Reports", "/reports"),
            Entry("Exports", "/exports"),
            Entry("Tokens", "/tokens", ADMINISTER),
        ),
    ),
)


def first_page(roles: Collection[str]) -> str:
    """Return the first page of the menu that somebody with these roles may see."""
    return next(entry.path for section in SECTIONS for entry in section.offered(roles))
