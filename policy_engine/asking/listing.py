"""Lists of decisions and of entries, page by page, bound to one checkpoint; every row is held to its entry's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from policy_engine.asking.decision_query import decision_query
from policy_engine.asking.persons import personal_status, personal_values
from policy_engine.asking.why_nothing import why_nothing

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision, StoredEntry
    from policy_audit.snapshot import Snapshot


def decision_list(
    snapshot: Snapshot, wanted: Mapping[str, Any], page: Mapping[str, Any], counting: bool
) -> dict[str, Any]:
    from policy_engine.reports.documents import tags_of

    query = decision_query(snapshot, wanted)
    selection = snapshot.select(query, tags_of(snapshot))
    if counting:
        count = selection.count()
        hint = why_nothing(snapshot, query) if not count else None
        return {"kind": "DecisionCount", "count": count, "unread": selection.unread, "hint": hint}
    found = selection.page(**page)
    erased = cache(snapshot.erased)  # read once, and only where an owner is not held
    shown = [{**_columns(each), **_owner(snapshot, each, erased)} for each in found.decisions]
    hint = why_nothing(snapshot, query) if not shown and page["start"] is None else None
    more = {"more": found.next is not None, "next": found.next, "oldest_first": not page["newest"]}
    return {"kind": "DecisionList", "decisions": shown, **more, "unread": found.unread, "hint": hint}


def _columns(decision: CheckedDecision) -> dict[str, Any]:
    return {name: value for name, value in asdict(decision.row).items() if name != "tag_set"}


def _owner(snapshot: Snapshot, decision: CheckedDecision, erased: Any) -> dict[str, str | None]:
    """Return the owner on record, and where none can be shown whether it was altered or erased, or is missing."""
    found = personal_values(snapshot, decision.stored, erased)
    return {"owner": found["personal"].get("owner"), "owner_status": personal_status(found, "owner")}


def entry_list(
    snapshot: Snapshot, kind: str, period: Mapping[str, Any], page: Mapping[str, Any], counting: bool
) -> dict[str, Any]:
    types = None if kind == "all" else [kind]
    if counting:
        return {"kind": "EntryCount", "count": snapshot.count_entries(types, **period), "unread": False}
    limit = page["limit"]
    rows = list(snapshot.entries(types, **period, **{**page, "limit": limit + 1}))
    more = rows[limit].index if len(rows) > limit else None
    return {
        "kind": "EntryList",
        "entries": [_entry(row) for row in rows[:limit]],
        "more": more is not None,
        "next": more,
        "oldest_first": not page["newest"],
    }


def _entry(row: StoredEntry) -> dict[str, Any]:
    return {
        "index": row.index,
        "type": row.type,
        "recorded_at": row.recorded_at,
        "leaf_hash": row.leaf_hash,
        "context": row.document.get("context", {}),
    }


def bound(snapshot: Snapshot) -> dict[str, Any]:
    checkpoint = snapshot.checkpoint
    named = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    return {**named, "note": snapshot.note}
