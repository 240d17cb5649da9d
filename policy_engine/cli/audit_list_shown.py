"""What `policy audit list` found, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.asking.moments import minute
from policy_engine.asking.persons import ALTERED, DISPOSED, ERASED, LOST
from policy_engine.cli.sections import Section

_DECISION_HEADER = (">#", "=Recorded (UTC)", "=Verdict", "=Purpose", "=Decision", "~Workload, owner")
_NO_OWNER = {
    "none": "no owner",
    "sealed": "owner sealed",
    "erased": f"owner {ERASED}",
    "disposed": f"owner {DISPOSED}",
    "missing": f"owner {LOST}",
    "altered": f"owner {ALTERED}",
}
_ENTRY_HEADER = (">#", "=Recorded (UTC)", "=Type", "~Context")
UNREAD = (
    "some decisions without tags were not read, because there are too many or their documents are gone: "
    "others may fit, too; a narrower --since and --until reads all of a period"
)


def sections(found: Mapping[str, Any]) -> list[Section]:
    """Return the table, or the count, and what has to be said of it."""
    remarks = [UNREAD] if found.get("unread") else []
    remarks += [found["to_come"]] if found.get("to_come") else []
    if "count" in found:
        remarks += [found["hint"]] if found.get("hint") else []
        return [Section(pairs=_counted(found)), *([Section(lines=remarks)] if remarks else [])]
    bound = [Section(pairs=_bound(found))] if found["as_of"] else []
    if pairs := _period(found):
        bound.insert(0, Section(pairs=pairs))
    decisions = found["kind"] == "DecisionList"
    rows = found["decisions"] if decisions else found["entries"]
    if not rows:
        hint = found.get("hint")
        return [Section(lines=["nothing on record fits", *([hint] if hint else []), *remarks]), *bound]
    if decisions:
        table = Section(header=_DECISION_HEADER, rows=[_decision_cells(row) for row in rows])
    else:
        table = Section(header=_ENTRY_HEADER, rows=[_entry_cells(row) for row in rows])
    if found["more"]:
        which = "oldest" if found["oldest_first"] else "newest"
        remarks.insert(0, f"the {which} {len(rows)}; there are more: add --from {found['next']} for the next page")
    return [table, *([Section(lines=remarks)] if remarks else []), *bound]


def _counted(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    what = "decisions" if found["kind"] == "DecisionCount" else "entries"
    return [("Count", f"{found['count']:,} {what}"), *_period(found), *_bound(found)]


def _period(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the exact instants that the answer goes by: a date that was given stands for one."""
    period = f"{found['since'] or 'the beginning'} to before {found['until'] or 'the end of the record'}"
    pairs = [("Recorded", period)] if found["since"] or found["until"] else []
    return [*pairs, *([("Expired at", found["at"])] if found["at"] else [])]


def _bound(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    checkpoint = found["checkpoint"]
    text = f"{checkpoint['size']:,} entries of `{checkpoint['origin']}`, root {checkpoint['root']}"
    return [*([("As of", found["as_of"])] if found["as_of"] else []), ("Checkpoint", text)]


def _entry_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    context = ", ".join(f"{name} {_told(value)}" for name, value in row["context"].items())
    return str(row["index"]), minute(row["recorded_at"]), row["type"], context


def _told(value: object) -> str:
    return " ".join(f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


def _decision_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["index"]),
        minute(row["recorded_at"]),
        row["verdict"],
        row["purpose"] or "",
        row["decision_id"][:12],
        f"{row['namespace']}/{row['workload']}, {_NO_OWNER.get(row['owner_status'], row['owner'])}",
    )
