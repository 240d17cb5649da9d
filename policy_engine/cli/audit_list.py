"""`policy audit list`: the decisions, or all entries, that the filters select; the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.audit_list_shown import sections
from policy_engine.cli.decision_filters import (
    STAGES,
    VERDICTS,
    decision_filters,
    decision_query,
    given_filters,
    why_nothing,
)
from policy_engine.cli.ledger_reading import personal_status, personal_values, reading
from policy_engine.cli.moments import AsOf, check_period, exact, to_come
from policy_engine.cli.officer_query import answered, query_options
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision, StoredEntry
    from policy_audit.snapshot import Snapshot

__all__ = ["STAGES", "TYPES", "VERDICTS", "command"]

TYPES = (
    "decision all policy-activation waiver-requested waiver-granted waiver-revoked waiver-used evidence-approved "
    "evidence-recorded evidence-revoked probe-attestation evaluation-report rollout-decided catalog-refreshed erasure "
    "disposal hold key-rotation personal-key-rotation export officer-query verification-run restore anchor heartbeat "
    "collection access-token-created access-token-revoked log-ins-failed access-evaluated"
).split()


@click.command("list", epilog="Example: policy audit list --verdict deny --verdict review --since 2026-11-01 -o json")
@click.option(
    "--type",
    "kind",
    metavar="TYPE",
    type=click.Choice(TYPES),
    default="decision",
    show_default=True,
    help=f"Which entries: {', '.join(TYPES)}.",
)
@decision_filters
@click.option("--as-of", type=AsOf(), help="The ledger as it was at this time, or when this date (UTC) ended.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest instead of the newest.")
@click.option("--from", "start", metavar="INDEX", type=click.IntRange(0), help="Go on at this entry: the next page.")
@click.option("--count", "counting", is_flag=True, help="Say how many there are, and list none.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    kind: str,
    limit: int,
    as_of: datetime | None,
    since: datetime | None,
    until: datetime | None,
    oldest_first: bool,
    start: int | None,
    counting: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
    **wanted: Any,
) -> None:
    """List recorded decisions, or with --type other entries.

    Filters are combined: all of them must hold. What is listed is compared with the entries' bytes; what a forged
    column hides is found by `policy audit verify`. Decisions of an older version are on record without what --rule,
    --criterion, --regulation, --model, --deployment and --missing-evidence ask for: their documents are read, of
    10,000 decisions at most, and the answer says where that was not enough.
    """
    from policy_audit.snapshot import open_snapshot

    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if kind != "decision" and (given := given_filters(wanted)):
        message = f"`{given[0]}` selects decisions, and `--type {kind}` lists other entries"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    check_period(since, until)
    page = {"limit": limit, "newest": not oldest_first, "start": start}
    with reading(ctx, ledger, ledger_key) as open_ledger, open_snapshot(open_ledger, as_of=as_of) as snapshot:
        if kind == "decision":
            found = _decisions(snapshot, {**wanted, "since": since, "until": until}, page, counting)
        else:
            found = _entries(snapshot, kind, {"since": since, "until": until}, page, counting)
        answered(ctx, _answer(found), snapshot.checkpoint)
        asked = {"as_of": exact(as_of), "since": exact(since), "until": exact(until), "at": exact(wanted["at"])}
        found |= {"to_come": to_come(as_of), **asked, "checkpoint": _bound(snapshot)}
    write_reports(targets, report_writers(lambda: found, lambda: sections(found)))


def _decisions(
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


def _bound(snapshot: Snapshot) -> dict[str, Any]:
    checkpoint = snapshot.checkpoint
    named = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    return {**named, "note": snapshot.note}


def _answer(found: Mapping[str, Any]) -> int:
    return int(found["count"]) if "count" in found else len(found.get("decisions", found.get("entries", ())))
