"""The query columns of decisions: derived from the entry alone, so that verifying can derive them again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from policy_audit.errors import CanonicalError

DECISION = "decision"
REQUIRED = ("decision_id", "namespace", "workload", "verdict", "policy_digest", "catalog_digest", "decided_at")
OPTIONAL = ("workload_digest", "valid_until", "purpose", "stage")
TIMES = ("decided_at", "valid_until")
COLUMNS = (*REQUIRED, *OPTIONAL)


def check_view(entry_type: str, view: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns as the entry holds them: text, absent instead of None, times in UTC with microseconds.

    Raises:
        CanonicalError: a column is missing, unknown or no text, or the type has no columns.
    """
    present = {name: value for name, value in view.items() if value is not None}
    if entry_type != DECISION:
        if present:
            raise CanonicalError(f"an entry of the type `{entry_type}` has no view")
        return {}
    missing = [name for name in REQUIRED if not present.get(name)]
    if missing:
        raise CanonicalError(f"the view of the decision has no `{missing[0]}`")
    for name, value in present.items():
        if name not in COLUMNS:
            raise CanonicalError(f"the view of a decision has no column `{name}`")
        if not isinstance(value, str):
            raise CanonicalError(f"the column `{name}` is not text")
    return {name: instant(value) if name in TIMES else value for name, value in present.items()}


def decision_row(index: int, entry_type: str, recorded_at: str, view: Mapping[str, Any]) -> dict[str, Any] | None:
    """Derive the row of the table `decision` from an entry's members; None where the entry is not a decision."""
    if entry_type != DECISION:
        return None
    columns = {name: view.get(name) for name in COLUMNS}
    return {"leaf_index": index, "recorded_at": recorded_at, **columns}


def instant(moment: str | datetime) -> str:
    """Write a time so that the order of texts is the order of times: RFC 3339, UTC, microseconds.

    Raises:
        CanonicalError: it is not a time, or has no time zone.
    """
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        raise CanonicalError(f"`{moment!s:.40}` is not a time in RFC 3339") from None
    if parsed.tzinfo is None:
        raise CanonicalError(f"the time `{parsed.isoformat()}` has no time zone", help="write `Z` for UTC")
    return parsed.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
