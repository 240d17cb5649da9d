"""What of a folder, a pattern or a revision was judged, and what was not and why, in words."""

from __future__ import annotations

from collections.abc import Iterator

from policy_engine.ci.closing import MOST_LISTED, asides
from policy_engine.ci.judged import Judged
from policy_engine.ci.places import one_line, shown_path
from policy_engine.sources.selection import Held, Selection
from policy_engine.wording import listed

_MOST_FILES = 5

#: How many notes a report for a CI system has, and how long one may be.
MOST_NOTES, LONGEST = 50, 300


def summary(selection: Selection, judged: int) -> str:
    """Return one line: how many workloads were judged, and of how many it was not asked."""
    unchanged = sum(max(1, len(held.workloads)) for held in selection.unchanged)
    deleted = sum(max(1, len(held.workloads)) for held in selection.deleted)
    moved = sum(len(each.workloads) for each in selection.renamed)
    parts = [f"{judged:,} workload{'' if judged == 1 else 's'} judged"]
    if selection.since is not None:
        parts.append(f"{unchanged:,} unchanged since {selection.since.revision} ({selection.since.commit[:12]})")
    if deleted:
        parts.append(f"{deleted:,} deleted")
    if moved:
        parts.append(f"{moved:,} moved")
    if selection.skipped:
        parts.append(f"skipped as no workload: {len(selection.skipped):,}")
    return ", ".join(parts)


def details(selection: Selection, verbose: int = 0) -> Iterator[str]:
    """Yield a line for each thing that a reader would miss; with `verbose`, also for what was not judged."""
    if selection.all_because is not None:
        yield f"all workloads were judged: what they are judged by changed ({selection.all_because})"
    for name in selection.none:
        yield f"no workload matched `{name}`"
    for held in selection.deleted:
        yield f"deleted, and not gated any more: {_named(held)}"
    for moved in selection.renamed:
        yield f"moved: {moved.old} -> {moved.new} ({', '.join(moved.workloads)})"
    if verbose:
        for chosen in selection.files:
            if chosen.why is not None:
                yield f"judged: {chosen.file}: {chosen.why}"
        for held in selection.unchanged:
            yield f"unchanged: {_named(held)}"
        for skipped in selection.skipped:
            yield f"skipped: {skipped.file}" + (f", document {skipped.document}" if skipped.document else "")


def _named(held: Held) -> str:
    return f"{held.file} ({', '.join(held.workloads)})" if held.workloads else held.file


def shared_names(judged: Judged) -> list[str]:
    """Return a line for each namespace and name that several judged documents have: readers take them for one."""
    places: dict[str, list[str]] = {}
    for each in judged.workloads:
        places.setdefault(each.name, []).append(shown_path(each.file))
    found = []
    for name, files in places.items():
        if len(files) > 1:
            where = listed(_few(list(dict.fromkeys(files)), _MOST_FILES))
            found.append(f"{name} is the name of {len(files):,} workloads: in {where}")
    return _few(found)


def _few(texts: list[str], most: int = MOST_LISTED) -> list[str]:
    return texts if len(texts) <= most else [*texts[:most], f"{len(texts) - most:,} more"]


def notes(judged: Judged) -> list[str]:
    """Return what every report has beside numbers and findings: what was selected, and what else there is to tell."""
    selection = judged.selection
    counted = [summary(selection, len(judged.workloads))] if selection.listed else []
    last = details(selection) if selection.listed else ()
    said = [one_line(text) for text in (*counted, *asides(judged), *judged.notes, *shared_names(judged), *last)]
    cut = [text if len(text) <= LONGEST else f"{text[:LONGEST]}..." for text in said]
    # who is judged can delete and move as much as they like, and none of it may push out what is found
    left = len(cut) - MOST_NOTES
    return cut if left <= 0 else [*cut[:MOST_NOTES], f"and {left:,} more, which the text report has"]
