"""How `policy audit show` shows a refresh of prices: its source and files by name, and its changes as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.cli.sections import Section


def refreshed_sections(body: Mapping[str, Any]) -> list[Section] | None:
    """Return the parts that show the body of such an entry; None where it is of another form, to be shown as it is."""
    try:
        return _sections(body)
    except (KeyError, TypeError, AttributeError):
        return None


def _sections(body: Mapping[str, Any]) -> list[Section]:
    source, counts = body["source"], body["counts"]
    pairs = [
        ("source", f"{source['name']} {source['version'] or ''}".rstrip()),
        ("data of", str(source["data_day"])),
        ("source sha256", str(source["sha256"])),
        ("refreshed at", str(body["at"])),
        ("file", f"{body['layer']}/{body['file']}"),
        ("file before", str(body["file_sha256"]["before"] or "none")),
        ("file after", str(body["file_sha256"]["after"])),
        ("catalog before", str(body["catalog"]["before"])),
        ("catalog after", str(body["catalog"]["after"])),
        ("providers named", ", ".join(map(str, body["providers"])) or "none"),
        ("prices", ", ".join(f"{count} {what}" for what, count in counts.items())),
    ]
    header = ("Model", "Provider", "Price", ">USD/1M in", ">USD/1M out")
    rows = [
        (str(each["model"]), str(each["provider"]), str(each["what"]), _arrow(each, "input"), _arrow(each, "output"))
        for each in body["changes"]
    ]
    left = int(body["changes_left_out"])
    lines = [f"and {left:,} more; the document `refreshed` has all prices"] if left else []
    parts = [Section("Refresh", pairs=pairs), Section("Changes", header=header, rows=rows, lines=lines)]
    return [*parts, Section("Models and providers", pairs=list(_entries(body)))]


def _entries(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say what became of models and providers; entries of earlier releases do not have it."""
    for each in body.get("entry_changes", ()):
        # of an entry that is new or gone the regions alone: residency is decided by them
        shown = [one for one in each["fields"] if each["what"] == "changed" or one["field"] == "regions"]
        fields = [f"{one['field']} {arrow(one['before'], one['after'])}" for one in shown]
        yield str(each["name"]), "; ".join([str(each["what"]), *fields])
    if left := int(body.get("entry_changes_left_out", 0)):
        yield f"and {left:,} more", "the document `refreshed` has all"


def arrow(before: Any, after: Any) -> str:
    """Write what a field said, and what it says; None is not stated."""
    return f"{_said(before)} -> {_said(after)}"


def _said(value: Any) -> str:
    if value is None:
        return "not stated"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _arrow(change: Mapping[str, Any], way: str) -> str:
    before, after = (change[f"{way}_usd_per_million_{when}"] for when in ("before", "after"))
    if before is None or before == after:
        return "none" if after is None else str(after)
    return f"{before} -> {'none' if after is None else after}"
