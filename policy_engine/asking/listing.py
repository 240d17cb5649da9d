"""Lists of decisions and of entries, page by page, bound to one checkpoint; every row is held to its entry's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from policy_engine.asking.decision_query import decision_query
from policy_engine.asking.moments import exact, to_come
from policy_engine.asking.persons import personal_status, personal_values
from policy_engine.asking.why_nothing import why_nothing

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision, DecisionQuery, StoredEntry
    from policy_audit.snapshot import Snapshot


def listed(
    snapshot: Snapshot,
    kind: str,
    wanted: Mapping[str, Any],
    page: Mapping[str, Any],
    *,
    counting: bool = False,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Return a page of decisions, or with another `kind` than `decision` of such entries, or how many there are.

    `wanted` are the filters by their names (`asking.decision_query`), `page` the limit, whether the newest come first
    (`newest`), and the index to `start` at; `as_of` is what the snapshot was opened with.

    Raises:
        InputError, UsageError: a filter is wrong.
        VerificationError: what is shown is not what the entries' bytes say.
    """
    if kind == "decision":
        found = _decisions(snapshot, wanted, page, counting)
    else:
        period = {name: wanted.get(name) for name in ("since", "until")}
        found = _entries(snapshot, kind, period, page, counting)
    asked = {"as_of": exact(as_of), **{name: exact(wanted.get(name)) for name in ("since", "until", "at")}}
    return {**found, "to_come": to_come(as_of), **asked, "checkpoint": bound(snapshot)}


def shown_count(found: Mapping[str, Any]) -> int:
    """Return how much an answer of `listed` tells of."""
    return int(found["count"]) if "count" in found else len(found.get("decisions", found.get("entries", ())))


def _decisions(
    snapshot: Snapshot, wanted: Mapping[str, Any], page: Mapping[str, Any], counting: bool
) -> dict[str, Any]:
    from policy_engine.reports.documents import tags_of

    query = decision_query(snapshot, wanted)
    selection = snapshot.select(query, tags_of(snapshot))
    if counting:
        count = selection.count()
        hint = _why(snapshot, query) if not count else None
        return {"kind": "DecisionCount", "count": count, "unread": selection.unread, "hint": hint}
    found = selection.page(**page)
    shown = rows_shown(snapshot, found.decisions)
    hint = _why(snapshot, query) if not shown and page["start"] is None else None
    more = {"more": found.next is not None, "next": found.next, "oldest_first": not page["newest"]}
    return {"kind": "DecisionList", "decisions": shown, **more, "unread": found.unread, "hint": hint}


def rows_shown(snapshot: Snapshot, decisions: Sequence[CheckedDecision]) -> list[dict[str, Any]]:
    """Return the rows of a list of decisions: their query columns, and their owners where these are held."""
    erased = cache(snapshot.erased)  # read once, and only where an owner is not held
    return [{**_columns(each), **_owner(snapshot, each, erased)} for each in decisions]


def _why(snapshot: Snapshot, query: DecisionQuery) -> str | None:
    # what is near may be in a namespace that whoever asks does not see
    return why_nothing(snapshot, query) if query.namespaces is None else None


def _columns(decision: CheckedDecision) -> dict[str, Any]:
    return {name: value for name, value in asdict(decision.row).items() if name != "tag_set"}


def _owner(snapshot: Snapshot, decision: CheckedDecision, erased: Any) -> dict[str, str | None]:
    """Return the owner on record, and where none can be shown whether it was altered or erased, or is missing."""
    found = personal_values(snapshot, decision.stored, erased)
    return {"owner": found["personal"].get("owner"), "owner_status": personal_status(found, "owner")}


def _entries(
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
    """Return the checkpoint that an answer is bound to."""
    checkpoint = snapshot.checkpoint
    named = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    return {**named, "note": snapshot.note}
