"""The waiver register, from the entries alone: active, expiring, used after it ended, approved by whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType

from policy_engine.reports.asking import AS_RECORDED, Asked, text
from policy_engine.reports.doings import approval
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import StoredEntry

EXPIRING_DAYS = 14
_COLUMNS = (
    Column("waiver"),
    Column("status"),
    Column("expiring", "flag"),
    Column("rule"),
    Column("namespace"),
    Column("workload"),
    Column("valid_from"),
    Column("valid_until"),
    Column("ticket"),
    Column("requester"),
    Column("approvers", "list"),
    Column("self_approved"),
    Column("granted_entry", "entry"),
    Column("granted_at", "time"),
    Column("revoked_entry", "entry"),
    Column("uses", "count"),
    Column("last_use_entry", "entry"),
    Column("used_after_end", "count"),
)


@dataclass
class _Found:
    grant: StoredEntry
    body: Mapping[str, Any]
    revocation: StoredEntry | None = None
    uses: list[tuple[int, str]] = field(default_factory=list)


def waivers(asked: Asked) -> Report:
    """Return the register as of a time; requests that nobody granted are counted, and not listed."""
    found: dict[str, _Found] = {}
    requests = 0
    types = (
        EntryType.WAIVER_REQUESTED,
        EntryType.WAIVER_GRANTED,
        EntryType.WAIVER_REVOKED,
        EntryType.WAIVER_USED,
    )
    early = 0
    for entry in asked.snapshot.entries(types, newest=False):
        body = entry.document["body"]
        name = text(body.get("waiver"))
        requests += entry.type == EntryType.WAIVER_REQUESTED
        if entry.type == EntryType.WAIVER_GRANTED and name is not None:
            found.setdefault(name, _Found(entry, body))
        elif name in found and entry.type == EntryType.WAIVER_REVOKED:
            found[name].revocation = found[name].revocation or entry
        elif name in found and entry.type == EntryType.WAIVER_USED:
            found[name].uses.append((entry.index, str(body.get("decided_at") or entry.recorded_at)))
        elif entry.type == EntryType.WAIVER_USED:
            early += 1
    rows = [_row(asked, name, each) for name, each in found.items()]
    return asked.answer(
        f"waivers granted, as of {asked.at.isoformat()}",
        "waivers granted",
        _COLUMNS,
        rows,
        summary=(
            ("active", sum(row[1] == "active" for row in rows)),
            ("expiring", sum(bool(row[2]) for row in rows)),
            ("used after end or revocation", sum(bool(row[-1]) for row in rows)),
            ("self-approved", sum(row[11] == "same person" for row in rows)),
            ("requests on record", requests),
            ("uses of waivers that nobody granted", early),
        ),
        remarks=(
            f"`expiring`: active, and ends within {_within(asked)} days.",
            "Whether signatures are by people who may sign is for the policy's approvers to say: `policy waiver list`.",
            AS_RECORDED,
        ),
    )


def _row(asked: Asked, name: str, found: _Found) -> tuple[Cell, ...]:
    body, context = found.body, found.grant.document["context"]
    start, end = _day(body.get("valid_from")), _day(body.get("valid_until"))
    today = asked.at.astimezone(UTC).date()
    status = _status(found, start, end, today)
    soon = status == "active" and end is not None and end - today <= timedelta(days=_within(asked))
    late = [index for index, at in found.uses if _late(found, end, index, at)]
    finding, requester, approvers = approval(asked, found.grant)
    return (
        name,
        status,
        soon,
        text(body.get("rule")),
        text(context.get("namespace")),
        text(context.get("workload")),
        text(body.get("valid_from")),
        text(body.get("valid_until")),
        text(body.get("ticket")),
        requester,
        approvers,
        finding,
        found.grant.index,
        found.grant.recorded_at,
        found.revocation.index if found.revocation is not None else None,
        len(found.uses),
        found.uses[-1][0] if found.uses else None,
        len(late),
    )


def _status(found: _Found, start: date | None, end: date | None, today: date) -> str:
    if found.revocation is not None:
        return "revoked"
    if start is None or end is None:
        return "unreadable"
    if today > end:
        return "expired"
    return "pending" if today < start else "active"


def _late(found: _Found, end: date | None, index: int, at: str) -> bool:
    if found.revocation is not None and index > found.revocation.index:
        return True
    try:
        return end is None or datetime.fromisoformat(at).astimezone(UTC).date() > end
    except ValueError:
        return True


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _within(asked: Asked) -> int:
    return int(asked.given.get("within") or EXPIRING_DAYS)
